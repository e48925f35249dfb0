import Testing
import VirtualMemory

@Suite struct AreaNameTests {
  private func text(_ name: AreaName) -> String {
    var text = ""
    name.write(to: &text)
    return text
  }

  @Test func keepsUpTo31Bytes() {
    #expect(text("") == "" && AreaName().isEmpty && AreaName("") == AreaName())
    #expect(text("heap") == "heap")
    #expect(AreaName("heap") == AreaName(String("heap")))
    #expect(AreaName("heap") != "heaps")
    let long = String(repeating: "x", count: 31)
    #expect(text(AreaName(long)) == long)
    #expect(text(AreaName(long + "y")) == long)
  }

  @Test func cutsBetweenCharacters() {
    #expect(text(AreaName(String(repeating: "x", count: 30) + "é")).utf8.count == 30)
    #expect(text(AreaName(String(repeating: "x", count: 29) + "é")).utf8.count == 31)
    #expect(text(AreaName(String(repeating: "🦊", count: 9))) == String(repeating: "🦊", count: 7))
  }

  @Test func controlCharactersDoNotSpoilALine() {
    #expect(text(AreaName("a\nb\u{7F}\u{0}")) == "a?b??")
  }
}
