import ELF
import TestSupport
import Testing

@Suite struct RelocationTests {
  private func sample() throws -> ELFFile { try ELFFile(bytes: SampleFile.bytes, path: "sample") }

  @Test func readsRelocations() throws {
    let relocations = try sample().relocations().filter { !$0.isDynamic }
    #expect(relocations.map(\.offset) == [SampleFile.text + 1, SampleFile.text + 8])
    #expect(relocations.map(\.type) == [4, 8])
    #expect(relocations.map(\.addend) == [-4, 5])
    #expect(relocations.map(\.symbol?.name) == ["missing", nil])
    #expect(relocations.map(\.targetSection) == [1, 1])
  }

  @Test func unpacksRelativeRelocations() throws {
    let relocations = try sample().relocations().filter(\.isDynamic)
    let words: [UInt64] = [0, 1, 63, 64]
    #expect(relocations.map(\.offset) == words.map { SampleFile.data + $0 * 8 })
    #expect(relocations.map(\.addend) == words.map { Int64(SampleFile.text + $0) })
    #expect(relocations.allSatisfy { $0.type == 8 && $0.symbol == nil && $0.targetSection == nil })
    var builder = SampleFile.builder
    builder.machine = 183
    let arm = try ELFFile(bytes: builder.bytes, path: "p").relocations()
    #expect(arm.filter(\.isDynamic).allSatisfy { $0.type == 1027 })
  }

  @Test func onlyWantedTablesAreRead() throws {
    let file = try sample()
    #expect(try file.relocations { $0 != nil }.count == 2)
    #expect(try file.relocations { $0 == nil }.count == 4)
    #expect(try file.relocations { $0?.name == ".data" }.isEmpty)
  }
}
