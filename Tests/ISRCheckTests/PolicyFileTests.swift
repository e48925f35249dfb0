import Foundation
import ISRCheck
import TestSupport
import Testing

@Suite struct PolicyFileTests {
  private static func kind(_ line: String) throws -> Annotation.Kind? {
    try PolicyFile(text: line, path: "kernel.isr").declarations.first?.kind
  }

  @Test(
    "each word",
    arguments: [
      ("root f", .root(level: 0, vector: nil)),
      ("root f level=1 vector=14", .root(level: 1, vector: 14)),
      ("vectors idt count=256", .vectors(count: 256, stride: 0)),
      ("vectors t stride=0x80 count=16", .vectors(count: 16, stride: 128)),
      ("trusted f \"says \\\"no\\\" # twice\" # comment", .trusted(reason: "says \"no\" # twice")),
      ("denied f", .denied(.other, reason: nil)),
      ("deny f \"\"", .denied(.other, reason: nil)),
      ("denied f allocates", .denied(.allocates, reason: nil)),
      ("deny f blocks \"waits\"", .denied(.blocks, reason: "waits")),
      ("fatal f", .fatal),
      ("fault f", .fault),
      ("permit f root=g \"once\"", .permitted(root: "g", reason: "once")),
      ("registers f argument=2", .registersHandler(argument: 2, set: 0)),
      ("registers f argument=2 set=7", .registersHandler(argument: 2, set: 7)),
      ("calls f set=0x10", .callsMembers(set: 16)),
      ("calls f set=2 or-nobody", .callsMembers(set: 2, orNobody: true)),
      ("member f set=7", .member(set: 7)),
      (
        "acquires f argument=0 interrupts-off",
        .acquires(.init(argument: 0, className: nil, disablesInterrupts: true))
      ),
      (
        "releases f class=\"the console\"",
        .releases(.init(argument: nil, className: "the console", disablesInterrupts: false))
      ),
      ("stack f size=16K", .stack(size: 16384, stack: 0)),
      ("stack f size=4096 stack=2", .stack(size: 4096, stack: 2)),
      ("frame f size=0", .frame(size: 0)),
      ("saves f state=x87,sse", .savesExtendedState([.x87, .sse])),
      ("restores f state=simd", .restoresExtendedState(.simd)),
      ("recursion f depth=3", .recursion(depth: 3)),
      ("safe f", .interruptSafe),
      ("interrupts f disables", .interruptState(.disables)),
      ("interrupts f enables", .interruptState(.enables)),
      ("interrupts f restores", .interruptState(.restores)),
      ("indirect f register=r11", .indirectThunk(register: 11)),
      ("indirect f register=rbx", .indirectThunk(register: 3)),
      ("indirect f register=x17", .indirectThunk(register: 17)),
      ("returns f", .returnThunk),
    ] as [(String, Annotation.Kind)])
  func word(line: String, kind: Annotation.Kind) throws {
    #expect(try Self.kind(line) == kind)
  }

  @Test("names of sets have their hash, which is no small number and no address") func sets()
    throws
  {
    // The 64-bit FNV-1a hash of "foobar" is 0x85944171f73967e8.
    #expect(try Self.kind("member f set=foobar") == .member(set: 0x8594_4171_f739_67e8))
    #expect(PolicyFile.identifier(named: "timers") >> 62 == 2)
    #expect(PolicyFile.identifier(named: "timers") != PolicyFile.identifier(named: "timer"))
    #expect(
      try Self.kind("registers f argument=1 set=a")
        == .registersHandler(
          argument: 1, set: PolicyFile.identifier(named: "a")))
  }

  @Test("comments, empty lines, and any kind of space") func layout() throws {
    let text = "# first\n\n \t root\tf # why\r\n  trusted \"a b[c]\" \"x\"\n#last"
    let file = try PolicyFile(text: text, path: "p")
    #expect(file.declarations.map(\.line) == [3, 4])
    #expect(file.declarations.map(\.glob.pattern) == ["f", "a b[c]"])
  }

  @Test(
    "errors say where, what, and what would be right",
    arguments: [
      ("trsted f \"x\"", "unknown word \"trsted\": did you mean \"trusted\"?"),
      (
        "xyzzy f",
        "unknown word \"xyzzy\": use one of root, vectors, trusted, denied, fatal, registers, "
          + "calls, member, acquires, releases, stack, frame, saves, restores, recursion, safe, "
          + "interrupts, indirect, returns, fault, permit"
      ),
      ("root # f", "\"root\" is about no function: write a name or a glob after it"),
      ("fatal a[b", "\"a[b\" is no glob: close the [ by a ], or write \\["),
      ("fatal [z-a]", "\"[z-a]\" is no glob: a range goes from a lower to a higher character"),
      ("fatal [ß]", "\"[ß]\" is no glob: only ASCII characters can stand between [ and ]"),
      ("fatal a\\", "\"a\\\" is no glob: write a character after the \\"),
      ("fatal \"\"", "\"\" is no glob: it is empty, write at least *"),
      ("root f levl=1", "\"root\" has no option \"levl\": did you mean \"level\"?"),
      ("root f x=1", "\"root\" has no option \"x\": use one of level, vector"),
      ("fatal f x", "\"fatal\" takes no options: remove \"x\""),
      ("root f level=1 level=1", "\"level\" stands twice: remove one"),
      ("registers f", "\"registers\" needs more: add argument=NUMBER"),
      (
        "registers f argumnt=1",
        "\"registers\" has no option \"argumnt\": did you mean \"argument\"?"
      ),
      ("vectors f", "\"vectors\" needs more: add count=NUMBER"),
      ("calls f", "\"calls\" needs more: add set=NAME"),
      ("stack f", "\"stack\" needs more: add size=BYTES"),
      ("saves f", "\"saves\" needs more: add state=x87,sse or another list of groups"),
      ("recursion f", "\"recursion\" needs more: add depth=NUMBER"),
      ("interrupts f", "\"interrupts\" needs more: add disables, enables or restores"),
      ("indirect f", "\"indirect\" needs more: add register=NAME"),
      ("root f level", "\"level\" needs a value: write level=VALUE"),
      ("root f level=", "\"level\" needs a value: write level=VALUE"),
      ("saves f state=,", "\"state\" needs a value: write state=VALUE"),
      (
        "acquires f interrupts-off=1",
        "\"interrupts-off\" takes no value: write only interrupts-off"
      ),
      (
        "root f level=-1",
        "\"-1\" is no number for \"level\": write 0 to 4294967295, decimal or as 0x"
      ),
      (
        "vectors f count=0",
        "\"0\" is no number for \"count\": write 1 to 4294967295, decimal or as 0x"
      ),
      (
        "root f level=0x+1",
        "\"0x+1\" is no number for \"level\": write 0 to 4294967295, decimal or as 0x"
      ),
      (
        "stack f size=4194304K",
        "\"4194304K\" is no number for \"size\": write 1 to 4294967295, decimal or as 0x"
      ),
      (
        "member f set=0",
        "\"0\" is no number for \"set\": write 1 to 18446744073709551615, decimal or as 0x"
      ),
      (
        "saves f state=x87,ss",
        "unknown value \"ss\" of \"state\": did you mean \"sse\"?"
      ),
      (
        "saves f state=mmx87654",
        "unknown value \"mmx87654\" of \"state\": use one of x87, sse, avx, avx512, amx, simd, sve, "
          + "sme, all"
      ),
      ("permit f \"x\"", "\"permit\" needs more: add root=NAME"),
      ("permit f root=g", "\"permit\" needs a reason: write it in quotation marks at the end"),
      ("denied f allocates blocks", "\"allocates\" and \"blocks\" exclude each other: remove one"),
      ("trusted f", "\"trusted\" needs a reason: write it in quotation marks at the end"),
      ("trusted f \"\"", "\"trusted\" needs a reason: write it in quotation marks at the end"),
      ("fatal f \"x\"", "\"fatal\" takes no text: remove it, or write it as a comment after #"),
      ("trusted f \"x", "a text is not closed: end it by a quotation mark and a space"),
      ("trusted f \"x\"y", "a text is not closed: end it by a quotation mark and a space"),
      ("denied f \"x\" blocks", "something stands after the text: the text comes last"),
    ])
  func errors(line: String, message: String) {
    let error = #expect(throws: PolicyFileError.self) {
      try PolicyFile(text: "\n" + line, path: "kernel.isr")
    }
    #expect(error.map { "\($0)" } == "kernel.isr:2: \(message)")
  }

  @Test("the documentation's example") func documentation() throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Documentation/InterruptAnnotations.md")
    let text = try String(contentsOf: path, encoding: .utf8)
    let example = try #require(text.firstRange(of: "```\n# WORD")?.lowerBound)
    let lines = text[example...].dropFirst(4).prefix { $0 != "`" }
    #expect(try PolicyFile(text: String(lines), path: "p").declarations.count == 15)
  }

  @Test("files that cannot be read") func files() throws {
    let missing = #expect(throws: PolicyFileError.self) { try PolicyFile(path: "/nowhere/p") }
    #expect(
      missing.map { "\($0)" } == "/nowhere/p: cannot be read (No such file or directory): "
        + "give the path of a policy file")
    #expect(throws: PolicyFileError.self) { try PolicyFile(path: "/") }
    let path = NSTemporaryDirectory() + "isrcheck-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Data([0x66, 0xff]).write(to: URL(fileURLWithPath: path))
    let binary = #expect(throws: PolicyFileError.self) { try PolicyFile(path: path) }
    #expect(binary.map { "\($0)" } == "\(path): is no UTF-8 text: save it as such")
    try Data("fatal f\n".utf8).write(to: URL(fileURLWithPath: path))
    #expect(try PolicyFile(path: path).declarations.count == 1)
  }

  private static let symbols: [(name: String, address: UInt64)] = [
    ("do_IRQ", 0x10), ("do_softirq", 0x20), ("kmalloc", 0x30), ("__kmalloc", 0x40), ("", 0x50),
    ("$e1swait", 0x60), ("$s1sstep", 0x70), ("alias_of_kmalloc", 0x30), ("kmalloc", 0x80),
  ]

  @Test("declarations find their symbols") func match() throws {
    let file = try PolicyFile(
      text:
        "fatal kmalloc\nsafe *kmalloc\nsafe do_[a-z]*\nsafe no\\*ne\nsafe Queue.wait\nroot $*p\n",
      path: "p")
    let match = file.annotations(for: Self.symbols) { $0 == "$e1swait" ? "Queue.wait" : "step()" }
    #expect(
      match.annotations.map { "\($0.function) \($0.origin)" } == [
        "48 policy(path: \"p\", line: 1)", "128 policy(path: \"p\", line: 1)",
        "48 policy(path: \"p\", line: 2)", "64 policy(path: \"p\", line: 2)",
        "128 policy(path: \"p\", line: 2)", "32 policy(path: \"p\", line: 3)",
        "96 policy(path: \"p\", line: 5)", "112 policy(path: \"p\", line: 6)",
      ])
    #expect(match.unmatched.map(\.line) == [4])
  }

  @Test("readable names are asked for only where they are needed") func readableNames() throws {
    func asked(_ text: String) throws -> [String] {
      var names: [String] = []
      _ = try PolicyFile(text: text, path: "p").annotations(for: Self.symbols) { name in
        names.append(name)
        return name
      }
      return names
    }
    #expect(try asked("safe kmalloc\nsafe do_IRQ") == [])
    #expect(try asked("safe nothing") == ["$e1swait", "$s1sstep"])
    #expect(try asked("safe kmall*") == ["$e1swait", "$s1sstep"])
    #expect(try asked("") == [])
  }

  @Test("patterns find in a list what they match one by one") func search() throws {
    var generator = SplitMix64(seed: 9)
    func text(_ letters: String, _ lengths: ClosedRange<Int>) -> String {
      String(
        (0..<Int.random(in: lengths, using: &generator)).map { _ in
          letters.randomElement(using: &generator) ?? "a"
        })
    }
    for _ in 0..<300 {
      let names = (0..<20).map { (name: text("abß", 0...6), address: UInt64($0)) }
      let pattern = text("ab*?", 1...5)
      let glob = try Glob(pattern)
      let match = try PolicyFile(text: "safe \(pattern)", path: "p").annotations(for: names) { $0 }
      #expect(
        match.annotations.map(\.function) == names.filter { glob.matches($0.name) }.map(\.address),
        "\(pattern) in \(names)")
    }
  }

  @Test("any text gives declarations or an error") func random() {
    var generator = SplitMix64(seed: 5)
    let pieces = [
      "root", "trusted", "denied", "saves", "stack", " ", " ", "\t", "\n", "\"", "\\", "#", "=",
      "level", "size", "state", "x87,", "f*", "[", "]", "0x", "9", "K", "-", "ß", "\u{0}", "\r",
    ]
    var successes = 0
    for _ in 0..<5000 {
      let count = Int.random(in: 0...9, using: &generator)
      let text = (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
      if let file = try? PolicyFile(text: text, path: "p") {
        successes += 1
        _ = file.annotations(for: Self.symbols) { $0 }
      }
    }
    #expect(successes > 100 && successes < 4900)
    for _ in 0..<2000 {
      let bytes = (0..<40).map { _ in UInt8.random(in: 0...255, using: &generator) }
      _ = try? PolicyFile(text: String(decoding: bytes, as: UTF8.self), path: "p")
    }
  }
}
