import Boot
import TestSupport
import Testing

@testable import ACPI

@Suite struct FADTTests {
  private let address: UInt64 = 0xE2000

  /// A table of 268 bytes with the fields that matter.
  private func table(
    flags: UInt32 = 1 << 20, space: UInt8 = 1, port: UInt64 = 0x600, count: Int = 268
  ) -> [UInt8] {
    var body = [UInt8](repeating: 0, count: 268 - 36)
    for byte in 0..<4 { body[112 - 36 + byte] = UInt8(truncatingIfNeeded: flags >> (byte * 8)) }
    body[244 - 36] = space
    body[245 - 36] = 8
    for byte in 0..<8 { body[248 - 36 + byte] = UInt8(truncatingIfNeeded: port >> (byte * 8)) }
    return Tables.table("FACP", Array(body.prefix(count - 36)))
  }

  private func register(_ bytes: [UInt8]) throws -> FADT.Register? {
    var memory = FixtureMemory()
    memory.place(bytes, at: address)
    return try FADT(at: address, in: memory).sleepControl
  }

  @Test func findsTheSleepRegisterOfCloudHypervisor() throws {
    #expect(try register(table()) == .port(0x600))
    #expect(FADT.softOff == 0x34)
  }

  @Test func findsTheSleepRegisterOfMicrovm() throws {
    #expect(try register(table(space: 0, port: 0xFEA0_0000)) == .memory(0xFEA0_0000))
  }

  @Test func noRegisterWhereThereIsNone() throws {
    #expect(try register(table(flags: 0)) == nil, "not hardware-reduced")
    #expect(try register(table(space: 2)) == nil, "neither memory nor a port")
    #expect(try register(table(port: 0)) == nil)
    #expect(try register(table(port: 0x1_0000)) == nil, "no port has such a number")
    #expect(try register(table(count: 244)) == nil, "an older, shorter table")
  }

  @Test func brokenTablesAreRefused() throws {
    var bad = table()
    bad[50] ^= 1
    #expect(throws: FirmwareTableError.badChecksum(.fadt, address: address)) { try register(bad) }
    var memory = FixtureMemory()
    memory.place(Array(table().prefix(100)), at: address)
    #expect(throws: FirmwareTableError.self) { try FADT(at: address, in: memory) }
  }

  @Test func isFoundThroughTheRootPointer() throws {
    var memory = FixtureMemory()
    memory.place(Tables.rsdp(rsdt: 0xE1000, revision: 0), at: 0xE0000)
    memory.place(Tables.rsdt([0xE2000]), at: 0xE1000)
    memory.place(table(), at: address)
    #expect(
      try FADT.locate(root: RootTable.locate(rsdpHint: 0, in: memory), in: memory).sleepControl
        == .port(0x600))
    memory.place([0], at: address)
    #expect(throws: FirmwareTableError.missing(.fadt)) {
      try FADT.locate(root: RootTable.locate(rsdpHint: 0, in: memory), in: memory)
    }
  }
}
