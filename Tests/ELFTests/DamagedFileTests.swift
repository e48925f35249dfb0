import ELF
import TestSupport
import Testing

/// One file for each way in which headers and tables can be wrong.
@Suite struct DamagedFileTests {
  /// A change of one number in the sample.
  struct Damage: Sendable, CustomTestStringConvertible {
    /// What the message says, in part.
    var message: String
    var change: @Sendable (inout [UInt8]) -> Void

    var testDescription: String { message }

    init(_ message: String, _ change: @escaping @Sendable (inout [UInt8]) -> Void) {
      self.message = message
      self.change = change
    }

    /// A number in the header of a section.
    init(_ message: String, section: Int, at field: Int, _ value: some FixedWidthInteger & Sendable)
    {
      self.init(message) {
        $0.put(value, at: ELFBuilder.sectionHeader(section, of: $0) + field)
      }
    }

    /// A number in the header of the file.
    init(_ message: String, at field: Int, _ value: some FixedWidthInteger & Sendable) {
      self.init(message) { $0.put(value, at: field) }
    }
  }

  @Test(arguments: [
    Damage("32-bit code", at: 4, UInt8(1)), Damage("unknown class 0", at: 4, UInt8(0)),
    Damage("big-endian", at: 5, UInt8(2)), Damage("unknown byte order 7", at: 5, UInt8(7)),
    Damage("unknown ELF version 2", at: 6, UInt8(2)),
    Damage("unknown ELF version 9", at: 20, UInt32(9)),
  ])
  func otherFilesAreUnsupported(_ damage: Damage) {
    var bytes = SampleFile.bytes
    damage.change(&bytes)
    let error = #expect(throws: ELFFile.ReadingError.self) { try ELFFile(bytes: bytes, path: "p") }
    guard case .unsupported(_, let what) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(what.contains(damage.message))
  }

  @Test func whatBeginsOtherwiseIsNoELF() {
    for bytes in [[], [0x7f], Array("#!/bin/sh".utf8), [UInt8](repeating: 0, count: 100)] {
      #expect(throws: ELFFile.ReadingError.notELF(path: "p")) {
        try ELFFile(bytes: bytes, path: "p")
      }
    }
  }

  private static let segment1 = ELFBuilder.segmentHeader(1)

  @Test(arguments: [
    Damage("header is incomplete") { $0 = Array($0[..<15]) },
    Damage("header is incomplete") { $0 = Array($0[..<63]) },
    Damage("program headers lie outside", at: 32, UInt64(0)),
    Damage("program headers lie outside", at: 32, UInt64.max),
    Damage("program headers lie outside", at: 32, UInt64(1) << 63),
    Damage("program headers lie outside", at: 54, UInt16(0)),
    Damage("program headers lie outside", at: 54, UInt16(55)),
    Damage("program headers lie outside", at: 56, UInt16(0xfffe)),
    Damage("section headers lie outside", at: 40, UInt64(0)),
    Damage("section headers lie outside", at: 40, UInt64.max - 63),
    Damage("section headers lie outside", at: 58, UInt16(0)),
    Damage("section headers lie outside", at: 58, UInt16(63)),
    Damage("section headers lie outside", at: 60, UInt16(0xfeff)),
    Damage("section headers lie outside") {
      $0.put(UInt64.max, at: ELFBuilder.sectionHeader(0, of: $0) + 32)
      $0.put(UInt16(0), at: 60)
    },
    Damage("section headers lie outside") {
      $0.put(UInt64(1) << 58, at: ELFBuilder.sectionHeader(0, of: $0) + 32)
      $0.put(UInt16(0), at: 60)
    },
    Damage("program headers lie outside") {
      $0.put(UInt32.max, at: ELFBuilder.sectionHeader(0, of: $0) + 44)
      $0.put(UInt16(0xffff), at: 56)
    },
    Damage("section headers lie outside") {
      $0.put(UInt64(0), at: 40)
      $0.put(UInt16(0xffff), at: 56)
    },
    Damage("sections' names is missing", at: 62, UInt16(10)),
    Damage("sections' names is missing") {
      $0.put(UInt32.max, at: ELFBuilder.sectionHeader(0, of: $0) + 40)
      $0.put(UInt16(0xffff), at: 62)
    },
    Damage("sections' names lie outside", at: 62, UInt16(1)),
    Damage("sections' names lie outside", section: 9, at: 24, UInt64.max),
    Damage("sections' names lie outside", section: 9, at: 32, UInt64(4)),
    Damage("name of its section 1", section: 9, at: 32, UInt64(1)),
    Damage("name of its section 2", section: 2, at: 0, UInt32.max),
    Damage("section 1 .text lies outside", section: 1, at: 24, UInt64.max),
    Damage("section 1 .text lies outside", section: 1, at: 32, UInt64.max - 1),
    Damage("section 3 .bss lies outside") {
      let header = ELFBuilder.sectionHeader(3, of: $0)
      $0.put(UInt32(1), at: header + 4)
      $0.put(UInt64(1) << 20, at: header + 32)
    },
    Damage("segment 1 lies outside", at: segment1 + 8, UInt64.max),
    Damage("segment 1 lies outside", at: segment1 + 32, UInt64(1) << 40),
    Damage("segment 1 lies outside", at: segment1 + 40, UInt64(639)),
    Damage("segment 1 lies outside", at: segment1 + 16, UInt64.max - 700),
  ])
  func damagedHeadersAreFound(_ damage: Damage) {
    var bytes = SampleFile.bytes
    damage.change(&bytes)
    check(damage) { _ = try ELFFile(bytes: bytes, path: "p") }
  }

  @Test(arguments: [
    Damage("entries of its symbol table .symtab", section: 5, at: 56, UInt64(0)),
    Damage("entries of its symbol table .symtab", section: 5, at: 56, UInt64(23)),
    Damage("entries of its symbol table .symtab", section: 5, at: 56, UInt64.max),
    Damage("entries of its symbol table .symtab", section: 5, at: 32, UInt64(30)),
    Damage("names of .symtab", section: 5, at: 40, UInt32(10)),
    Damage("names of .symtab", section: 5, at: 40, UInt32(5)),
    Damage("names of .symtab", section: 6, at: 32, UInt64(3)),
    Damage("name of its symbol 2 ", section: 6, at: 32, UInt64(0)),
    Damage("name of its symbol 3 ", section: 6, at: 32, UInt64(7)),
    Damage("section of its symbol 2 does not exist") {
      $0.put(UInt16(10), at: symbol(2, of: $0) + 6)
    },
    Damage("section of its symbol 2 is missing") {
      $0.put(UInt16(0xffff), at: symbol(2, of: $0) + 6)
    },
  ])
  func damagedSymbolsAreFound(_ damage: Damage) throws {
    var bytes = SampleFile.bytes
    damage.change(&bytes)
    let file = try ELFFile(bytes: bytes, path: "p")
    check(damage) { _ = try file.symbols() }
  }

  @Test(arguments: [
    Damage("entries of .rela.text", section: 7, at: 56, UInt64(0)),
    Damage("entries of .rela.text", section: 7, at: 56, UInt64(16)),
    Damage("symbols of .rela.text", section: 7, at: 40, UInt32(10)),
    Damage("symbols of .rela.text", section: 7, at: 40, UInt32(1)),
    Damage("that .rela.text changes does not exist", section: 7, at: 44, UInt32(10)),
    Damage("symbol of relocation 0 in .rela.text", section: 5, at: 32, UInt64(7 * 24)),
    Damage("name of its symbol 2 ", section: 6, at: 32, UInt64(0)),
    Damage("entries of .relr.dyn", section: 8, at: 56, UInt64(4)),
    Damage("entries of .relr.dyn", section: 8, at: 32, UInt64(12)),
    Damage(".relr.dyn changes what does not lie in it") {
      $0.put(SampleFile.data - 2, at: content(8, of: $0))
    },
    Damage(".relr.dyn changes what does not lie in it") {
      $0.put(UInt64.max, at: content(8, of: $0) + 16)
    },
  ])
  func damagedRelocationsAreFound(_ damage: Damage) throws {
    var bytes = SampleFile.bytes
    damage.change(&bytes)
    let file = try ELFFile(bytes: bytes, path: "p")
    check(damage) { _ = try file.relocations() }
  }

  @Test func relocationsWithoutAddendsAreUnsupported() throws {
    var builder = SampleFile.builder
    builder.add(.init(".rel.text", kind: 9, entrySize: 16))
    let file = try ELFFile(bytes: builder.bytes, path: "p")
    #expect(
      throws: ELFFile.ReadingError.unsupported(
        path: "p", what: "relocations without addends in .rel.text")
    ) { try file.relocations() }
  }

  /// Small files that could otherwise be read as large numbers of long names or relocations.
  @Test func whatLiesInEachOtherDoesNotFillTheMemory() throws {
    var builder = ELFBuilder()
    let name = String(repeating: "n", count: 1 << 20)
    let table = builder.add(symbols: [.init(name, at: 0)])
    let symbol = Array(builder.sections[table - 1].content[24...])
    let many = Array(repeatElement(symbol, count: 50).joined())
    builder.add(.init("many", kind: 2, content: many, link: UInt32(table + 1), entrySize: 24))
    var bytes = builder.bytes
    bytes.put(UInt32(0), at: ELFBuilder.sectionHeader(table, of: bytes) + 4)
    let named = try ELFFile(bytes: bytes, path: "p")
    #expect(throws: ELFFile.ReadingError.self) { try named.symbols() }

    var relocating = ELFBuilder()
    let relocation = SampleFile.relocation(0, symbol: 0, type: 8, addend: 0)
    relocating.add(
      .init(
        ".rela", kind: 4, content: Array(repeatElement(relocation, count: 100).joined()),
        entrySize: 24))
    for _ in 0..<20 { relocating.add(.init("", kind: 4, entrySize: 24)) }
    bytes = relocating.bytes
    for index in 2..<20 {
      let first = ELFBuilder.sectionHeader(1, of: bytes)
      let header = ELFBuilder.sectionHeader(index, of: bytes)
      bytes.replaceSubrange(header..<header + 64, with: bytes[first..<first + 64])
    }
    let relocated = try ELFFile(bytes: bytes, path: "p")
    #expect(
      throws: ELFFile.ReadingError.truncated(path: "p", what: "its relocations lie in each other")
    ) { try relocated.relocations() }
  }

  private func check(_ damage: Damage, _ body: () throws -> Void) {
    let error = #expect(throws: ELFFile.ReadingError.self) { try body() }
    guard case .truncated("p", let what) = error else {
      Issue.record("\(String(describing: error)) instead of \(damage.message)")
      return
    }
    #expect(what.contains(damage.message))
  }

  /// Where a section's content begins.
  private static func content(_ section: Int, of bytes: [UInt8]) -> Int {
    let field = ELFBuilder.sectionHeader(section, of: bytes) + 24
    return bytes[field..<field + 8].reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  private static func symbol(_ index: Int, of bytes: [UInt8]) -> Int {
    content(SampleFile.symbolSection, of: bytes) + 24 * index
  }
}
