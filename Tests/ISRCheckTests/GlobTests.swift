import ISRCheck
import TestSupport
import Testing

@Suite struct GlobTests {
  @Test(
    "matches whole names",
    arguments: [
      ("abc", "abc"), ("*", ""), ("*", "abc"), ("a*", "a"), ("a*c", "abbbc"), ("*b*", "abc"),
      ("*ab*ab", "abxabab"), ("a?c", "abc"), ("a?c", "aßc"), ("?", "ß"), ("[a-c]x", "bx"),
      ("[!a-c]x", "dx"), ("[!a]", "ß"), ("[]]", "]"), ("[a-]", "-"), ("[\\]]", "]"),
      ("\\*", "*"), ("\\[x]", "[x]"), ("a**b", "ab"), ("ß*", "ßa"), ("[a-cx-z]*[0-9]", "y-7"),
      ("operator=*", "operator==(A, B)"),
    ])
  func matches(pattern: String, name: String) throws {
    #expect(try Glob(pattern).matches(name))
  }

  @Test(
    "and nothing else",
    arguments: [
      ("abc", "abcd"), ("abc", "ab"), ("abc", ""), ("a*c", "abcd"), ("?", ""), ("?", "ab"),
      ("[a-c]", "d"), ("[!a-c]", "b"), ("[!a]", ""), ("\\*", "a"), ("*ab*ab", "abab0"),
      ("[a-c]", "ß"), ("a?", "a"), ("*x", "abc"),
    ])
  func differs(pattern: String, name: String) throws {
    #expect(try !Glob(pattern).matches(name))
  }

  @Test(
    "what is no glob",
    arguments: [
      ("[a", Glob.PatternError.openSet), ("[", .openSet), ("[]", .openSet), ("[a\\", .openSet),
      ("[c-a]", .emptyRange), ("[ß]", .setNotASCII), ("a\\", .openEscape), ("", .empty),
    ])
  func errors(pattern: String, error: Glob.PatternError) {
    #expect(throws: error) { try Glob(pattern) }
  }

  @Test("knows the only name that matches") func onlyName() throws {
    #expect(try Glob("do_IRQ").onlyName == "do_IRQ")
    #expect(try Glob("a\\*b").onlyName == "a*b")
    #expect(try Glob("do_*").onlyName == nil)
  }

  @Test("takes no exponential time") func manyStars() throws {
    let glob = try Glob(String(repeating: "a*", count: 40) + "b")
    #expect(!glob.matches(String(repeating: "a", count: 400)))
  }

  /// The obvious way to match, one choice after the other.
  private func slowMatch(_ pattern: Substring, _ name: Substring) -> Bool {
    guard let first = pattern.first else { return name.isEmpty }
    if first == "*" {
      return slowMatch(pattern.dropFirst(), name)
        || !name.isEmpty && slowMatch(pattern, name.dropFirst())
    }
    guard let character = name.first, first == "?" || first == character else { return false }
    return slowMatch(pattern.dropFirst(), name.dropFirst())
  }

  @Test("agrees with the obvious way") func random() throws {
    var generator = SplitMix64(seed: 1)
    for _ in 0..<5000 {
      let pattern = String(
        (0..<Int.random(in: 1...6, using: &generator)).map { _ in
          "ab*?".randomElement(using: &generator) ?? "a"
        })
      let name = String(
        (0..<Int.random(in: 0...6, using: &generator)).map { _ in
          "ab".randomElement(using: &generator) ?? "a"
        })
      #expect(
        try Glob(pattern).matches(name) == slowMatch(pattern[...], name[...]),
        "\(pattern) and \(name)")
    }
  }
}
