import ELF
import TestSupport
import Testing

@Suite struct SymbolTests {
  private func sample() throws -> ELFFile { try ELFFile(bytes: SampleFile.bytes, path: "sample") }

  @Test func readsSymbols() throws {
    let symbols = try sample().symbols()
    #expect(
      symbols.map(\.name) == [
        "", ".text", "entry", "$s4Main3fooyyF", "again", "assembly", "table", "missing",
        "constant", "resolver", "perThread", "file.c",
      ])
    #expect(
      symbols.map(\.kind) == [
        .noType, .section, .function, .function, .function, .function, .object, .noType, .noType,
        .indirectFunction, .tls, .file,
      ])
    #expect(
      symbols.dropFirst(2).prefix(3).map(\.binding) == [.global, .local, .weak])
    #expect(symbols.filter { !$0.isDefined }.map(\.name) == ["", "missing"])
    #expect(symbols.filter(\.isAbsolute).map(\.name) == ["constant", "file.c"])
    #expect(symbols.map(\.sectionIndex) == [0, 1, 1, 1, 1, 1, 2, 0, 0, 1, 2, 0])
    #expect(symbols[6].address == SampleFile.data)
    #expect(symbols[6].size == 32)
  }

  @Test func dynamicSymbolsAreReadWhenThereAreNoOthers() throws {
    #expect(try ELFFile(bytes: ELFBuilder().bytes, path: "p").symbols().isEmpty)
    var builder = ELFBuilder(kind: 3)
    builder.add(symbols: [.init("dynamic", at: 1)], name: ".dynsym", kind: 11)
    #expect(try ELFFile(bytes: builder.bytes, path: "p").symbols().last?.name == "dynamic")
    builder.add(symbols: [.init("static", at: 1)])
    #expect(try ELFFile(bytes: builder.bytes, path: "p").symbols().last?.name == "static")
  }

  /// More sections than a symbol's 16 bits can name.
  @Test func sectionsBeyond16BitsAreFound() throws {
    var builder = ELFBuilder(kind: 1)
    for _ in 0..<0xff10 { builder.add(.init("s", kind: 1)) }
    builder.add(.init("last", kind: 1, content: [1]))
    let last = UInt32(builder.sections.count)
    let table = builder.add(symbols: [
      .init("near", at: 1, section: 7), .init("far", at: 2, section: 0xffff),
      .init("absolute", at: 2, section: 0xfff1),
    ])
    var indices: [UInt8] = []
    for index in [0, 0, last, 0] { indices.append(little: index) }
    builder.add(
      .init(".symtab_shndx", kind: 18, content: indices, link: UInt32(table), entrySize: 4))
    builder.usesExtendedNumbering = true
    let file = try ELFFile(bytes: builder.bytes, path: "p")
    let symbols = try file.symbols()
    #expect(symbols.map(\.sectionIndex) == [0, 7, last, 0])
    #expect(file.sections[Int(symbols[2].sectionIndex)].name == "last")
    #expect(symbols.map(\.isAbsolute) == [false, false, false, true])
  }

  @Test func aTableOfIndicesMustNotBeTooShort() throws {
    var builder = ELFBuilder()
    let table = builder.add(symbols: [.init("far", at: 2, section: 0xffff)])
    builder.add(
      .init(
        ".symtab_shndx", kind: 18, content: [0, 0, 0, 0], link: UInt32(table), entrySize: 4))
    let file = try ELFFile(bytes: builder.bytes, path: "p")
    #expect(
      throws: ELFFile.ReadingError.truncated(
        path: "p", what: "the section of its symbol 1 is missing")
    ) { try file.symbols() }
  }

  @Test func namesFunctions() throws {
    let symbols = SymbolTable(try sample().symbols())
    #expect(symbols.function(at: 0x100000)?.name == "entry")
    #expect(symbols.function(at: 0x100014)?.name == "Main.foo()", "the first of two names")
    #expect(symbols.function(at: 0x100014)?.offset == 4)
    #expect(symbols.function(at: 0x100030) == nil, "beyond the end of a function with a size")
    #expect(symbols.function(at: 0x100030, isReturnAddress: true)?.offset == 0x20)
    #expect(symbols.function(at: 0x10005f)?.name == "assembly")
    #expect(symbols.function(at: 0xfffff) == nil)
    #expect(symbols.function(at: 0x200000)?.name == "assembly", "it reaches to the next one")
    #expect(symbols.address(of: "again") == 0x100010)
    #expect(symbols.address(of: "missing") == nil)
  }
}
