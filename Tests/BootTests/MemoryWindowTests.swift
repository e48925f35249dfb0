import Boot
import TestSupport
import Testing

@Suite struct MemoryWindowTests {
  @Test func readsOnlyInside() {
    let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
    bytes.withUnsafeBytes { buffer in
      let window = MemoryWindow(buffer, at: 0x1000)
      #expect(window.load(UInt16.self, at: 0x1001) == 0x0302)
      #expect(window.load(UInt64.self, at: 0x1000) == 0x0807_0605_0403_0201)
      #expect(window.load(UInt64.self, at: 0x1001) == nil)
      #expect(window.load(UInt8.self, at: 0xFFF) == nil)
      #expect(window.load(UInt8.self, at: 0x1008) == nil)
      #expect(window.checksum(of: 8, at: 0x1000) == 36)
      #expect(window.checksum(of: 9, at: 0x1000) == nil)
      #expect(window.checksum(of: UInt64.max, at: 0x1000) == nil)
      #expect(window.stringLength(at: 0x1000, limit: 4) == nil)
      let top = MemoryWindow(buffer, at: UInt64.max - 7)
      #expect(top.load(UInt64.self, at: UInt64.max - 7) != nil)
      #expect(top.load(UInt16.self, at: UInt64.max) == nil)
      #expect(top.matches("\u{8}\u{9}", at: UInt64.max) == false)
    }
  }

  @Test func visitsStrings() {
    let bytes: [UInt8] = [0x61, 0x62, 0, 0x63]
    bytes.withUnsafeBytes { buffer in
      let window = MemoryWindow(buffer, at: 0x1000)
      var text: [UInt8] = []
      #expect(window.visitString(at: 0x1000, limit: 2) { text.append($0) } == 2)
      #expect(text == [0x61, 0x62])
      #expect(window.visitString(at: 0x1000, limit: 1) { text.append($0) } == nil)
      #expect(window.visitString(at: 0x1003, limit: 10) { text.append($0) } == nil)
      #expect(text.count == 2)
    }
  }

  @Test func searchesAlignedOnly() {
    var bytes = [UInt8](repeating: 0, count: 64)
    bytes[5] = 0x5F
    bytes[32] = 0x5F
    bytes.withUnsafeBytes { buffer in
      let window = MemoryWindow(buffer, at: 0xF0)
      let all = PhysicalRange(start: UInt64(0), end: UInt64(0x200))
      #expect(window.firstParagraph(matching: 0x5F, mask: 0xFF, in: all) == PhysicalAddress(0x110))
      let late = PhysicalRange(start: UInt64(0x111), end: UInt64(0x200))
      #expect(window.firstParagraph(matching: 0x5F, mask: 0xFF, in: late) == nil)
    }
  }

  /// The search of a window finds what the search of every other reader finds.
  @Test func searchAgreesWithTheDefault() {
    var generator = SplitMix64(seed: 9)
    var found = 0
    for _ in 0..<5000 {
      let base = UInt64.random(in: 0x100...0x120, using: &generator)
      let bytes = (0..<Int.random(in: 0...100, using: &generator)).map { _ in
        UInt8.random(in: 0...3, using: &generator)
      }
      let start = UInt64.random(in: 0xF0...0x190, using: &generator)
      let range = PhysicalRange(
        start: start, byteCount: UInt64.random(in: 0...120, using: &generator))
      var memory = FixtureMemory()
      memory.place(bytes, at: base)
      let expected = memory.firstParagraph(matching: 1, mask: 0x3, in: range)
      let result = bytes.withUnsafeBytes {
        MemoryWindow($0, at: base).firstParagraph(matching: 1, mask: 0x3, in: range)
      }
      #expect(result == expected)
      if result != nil { found += 1 }
    }
    #expect(found > 500)
  }
}
