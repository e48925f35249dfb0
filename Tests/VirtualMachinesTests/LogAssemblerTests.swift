import Testing

@testable import VirtualMachines

@Suite struct LogAssemblerTests {
  static let log =
    "[    0.001234] cpu0 info: text\n\u{1}booted cpus=4 found=5 microseconds=12\nä\n\n"
    + "\u{1}test fail a%20b wrong%20%25\n\u{1}unknown thing\n\u{1}exit 3\nlast"
  static let lines: [LogAssembler.Line] = [
    .text("[    0.001234] cpu0 info: text"),
    .record(.booted(BootRecord(cpus: 4, found: 5, microseconds: 12))), .text("ä"), .text(""),
    .record(.test(.fail(name: "a b", message: "wrong %"))), .text("\u{1}unknown thing"),
    .record(.exit(status: 3)), .text("last"),
  ]

  static func assemble(_ chunks: [ArraySlice<UInt8>]) -> [LogAssembler.Line] {
    var assembler = LogAssembler()
    var lines: [LogAssembler.Line] = []
    for chunk in chunks { assembler.append(chunk) { lines.append($0) } }
    assembler.end { lines.append($0) }
    return lines
  }

  @Test func chunkBordersDoNotMatter() {
    let bytes = Array(Self.log.utf8)
    #expect(Self.assemble([bytes[...]]) == Self.lines)
    for border in 0...bytes.count {
      #expect(Self.assemble([bytes[..<border], bytes[border...]]) == Self.lines)
    }
    #expect(Self.assemble(bytes.indices.map { bytes[$0...$0] }) == Self.lines)
  }

  @Test func endlessLinesAreCut() {
    let bytes = [UInt8](repeating: 0x61, count: LogAssembler.longestLine * 2 + 5)
    let lengths = Self.assemble([bytes[...]]).map { line -> Int in
      if case .text(let text) = line { text.utf8.count } else { -1 }
    }
    #expect(lengths == [LogAssembler.longestLine, LogAssembler.longestLine, 5])
  }

  @Test func records() {
    #expect(Record("panic") == .panic)
    #expect(Record("out-of-memory") == .outOfMemory)
    #expect(Record("tests done") == .testsDone)
    #expect(Record("test begin a.b") == .test(.begin(name: "a.b")))
    #expect(Record("test pass a") == .test(.pass(name: "a")))
    #expect(Record("test skip a too%20few") == .test(.skip(name: "a", reason: "too few")))
    #expect(Record("test dies a guard") == .test(.dies(name: "a", expected: "guard")))
    #expect(Record("test fail a %") == .test(.fail(name: "a", message: "")))
    #expect(Record("booted new=1 cpus=x") == .booted(BootRecord()))
    for wrong in ["", "exit", "exit 256", "exit -1", "exit a", "test", "test pass", "tests", "x"] {
      #expect(Record(wrong) == nil)
    }
  }
}
