import Testing

@testable import Scheduler

@Suite struct ThreadNameTests {
  @Test(arguments: [
    ("", ""), ("worker 1", "worker 1"), ("two\nlines\u{1B}[31m\u{7F}", "two?lines?[31m?"),
    (String(repeating: "x", count: 31), String(repeating: "x", count: 31)),
    (String(repeating: "x", count: 32), String(repeating: "x", count: 31)),
    // Not cut in the middle of a character: it has two bytes, and begins at the last one.
    (String(repeating: "x", count: 30) + "ä", String(repeating: "x", count: 30)),
    (String(repeating: "ä", count: 20), String(repeating: "ä", count: 15)),
  ])
  func aNameIsWhatFitsOfItWithoutControlCharacters(given: String, kept: String) {
    let name = ThreadName(given)
    #expect(name.text == kept)
    var bytes: [UInt8] = []
    name.forEachByte { bytes.append($0) }
    #expect(bytes == Array(kept.utf8))
    for index in bytes.count..<31 { #expect(name.bytes[index] == 0) }
  }
}
