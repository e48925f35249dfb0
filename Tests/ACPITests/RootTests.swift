import ACPI
import Boot
import TestSupport
import Testing

@Suite struct RootTests {
  private func failure(_ hint: UInt64, _ memory: FixtureMemory) -> FirmwareTableError? {
    do throws(FirmwareTableError) {
      _ = try RSDP.locate(hint: hint, in: memory)
      return nil
    } catch {
      return error
    }
  }

  /// The root pointer of ACPI 1.0, written down byte by byte.
  @Test func readsBytesWrittenByHand() throws {
    let bytes: [UInt8] = [
      0x52, 0x53, 0x44, 0x20, 0x50, 0x54, 0x52, 0x20, 0xc2, 0x42, 0x4f, 0x43, 0x48, 0x53, 0x20,
      0x00, 0x74, 0x14, 0xfe, 0x07,
    ]
    let sum = bytes.reduce(0, &+)
    var sound = bytes
    sound[8] = sound[8] &- sum
    var memory = FixtureMemory()
    memory.place(sound, at: 0xf5b20)
    let rsdp = try RSDP(at: 0xf5b20, in: memory)
    #expect(rsdp.revision == 0)
    #expect(rsdp.rsdtAddress == 0x07fe_1474)
    #expect(rsdp.xsdtAddress == 0)
  }

  @Test func takesTheHint() throws {
    var memory = FixtureMemory()
    memory.place(Tables.rsdp(xsdt: 0x1234_5678_9ABC), at: 0xA0000)
    let rsdp = try RSDP.locate(hint: 0xA0000, in: memory)
    #expect(rsdp.xsdtAddress == 0x1234_5678_9ABC)
  }

  @Test func scansWhenTheHintIsWrong() throws {
    var memory = FixtureMemory.emptyMachine
    memory.place(Tables.rsdp(rsdt: 0x1000, revision: 0), at: 0xFFFE0)
    #expect(try RSDP.locate(hint: 0xA0000, in: memory).address == 0xFFFE0)
    #expect(try RSDP.locate(hint: UInt64.max - 3, in: memory).address == 0xFFFE0)
    #expect(try RSDP.locate(hint: 0, in: memory).address == 0xFFFE0)
  }

  @Test func scansTheExtendedBIOSDataArea() throws {
    var memory = FixtureMemory.emptyMachine
    memory.place([0xC0, 0x9F], at: 0x40E)
    memory.place(Tables.rsdp(), at: 0x9FFD0)
    #expect(try RSDP.locate(hint: 0, in: memory).address == 0x9FFD0)
    memory.place([0x00, 0x00], at: 0x40E)
    #expect(failure(0, memory) == .missing(.rsdp))
  }

  @Test func passesOverDecoys() throws {
    var memory = FixtureMemory.emptyMachine
    memory.place(Tables.rsdp(), at: 0xE0008)
    memory.place(Array("RSD PTR ".utf8), at: 0xE0100)
    var bad = Tables.rsdp()
    bad[33] = 1
    memory.place(bad, at: 0xE0200)
    #expect(failure(0, memory) == .badChecksum(.rsdp, address: 0xE0100))
    memory.place(Tables.rsdp(rsdt: 7), at: 0xE0300)
    #expect(try RSDP.locate(hint: 0, in: memory).address == 0xE0300)
  }

  @Test func verifiesTheExtendedPart() {
    var memory = FixtureMemory()
    var bytes = Tables.rsdp()
    bytes[35] ^= 1
    memory.place(bytes, at: 0x1000)
    #expect(failure(0x1000, memory) == .badChecksum(.rsdp, address: 0x1000))
    bytes.put(UInt32(0xFFFF_FFFF), at: 20)
    memory.place(bytes, at: 0x1000)
    #expect(
      failure(0x1000, memory) == .badLength(.rsdp, address: 0x1000, length: 0xFFFF_FFFF))
    bytes.put(UInt32(100), at: 20)
    memory.place(bytes, at: 0x1000)
    #expect(failure(0x1000, memory) == .unreadable(.rsdp, address: 0x1000))
  }

  @Test func nothingReadableAtAll() {
    #expect(failure(0, FixtureMemory()) == .missing(.rsdp))
    #expect(failure(0x5000, FixtureMemory()) == .unreadable(.rsdp, address: 0x5000))
  }

  @Test func walksBothRootTables() throws {
    var memory = FixtureMemory()
    memory.place(Tables.xsdt([0x9999_0000, 0x4000, 0x5000]), at: 0x2000)
    memory.place(Tables.rsdt([0x5000]), at: 0x3000)
    memory.place(Tables.table("FACP", []), at: 0x4000)
    memory.place(Tables.madt([]), at: 0x5000)
    memory.place(Tables.rsdp(rsdt: 0x3000, xsdt: 0x2000), at: 0x1000)
    let rsdp = try RSDP(at: 0x1000, in: memory)
    let root = try RootTable(rsdp, in: memory)
    #expect(root.count == 3)
    #expect(root.address(of: "APIC", in: memory) == 0x5000)
    #expect(root.address(of: "HPET", in: memory) == nil)
    var broken = Tables.xsdt([])
    broken[9] ^= 1
    memory.place(broken, at: 0x2000)
    let fallback = try RootTable(rsdp, in: memory)
    #expect(fallback.count == 1)
    #expect(fallback.address(of: "APIC", in: memory) == 0x5000)
  }

  @Test func refusesBrokenRootTables() throws {
    var memory = FixtureMemory()
    memory.place(Tables.rsdp(rsdt: 0x3000, revision: 0), at: 0x1000)
    memory.place(Tables.rsdp(rsdt: 0, xsdt: UInt64.max - 16), at: 0x1100)
    memory.place(Tables.rsdp(), at: 0x1200)
    let rsdp = try RSDP(at: 0x1000, in: memory)
    #expect(throws: FirmwareTableError.unreadable(.rsdt, address: 0x3000)) {
      try RootTable(rsdp, in: memory)
    }
    var table = Tables.rsdt([0x5000])
    table.put(UInt32(35), at: 4)
    memory.place(table, at: 0x3000)
    #expect(throws: FirmwareTableError.badLength(.rsdt, address: 0x3000, length: 35)) {
      try RootTable(rsdp, in: memory)
    }
    table.put(UInt32(0x8000_0000), at: 4)
    memory.place(table, at: 0x3000)
    #expect(throws: FirmwareTableError.badLength(.rsdt, address: 0x3000, length: 0x8000_0000)) {
      try RootTable(rsdp, in: memory)
    }
    table.put(UInt32(0x1000), at: 4)
    memory.place(table, at: 0x3000)
    #expect(throws: FirmwareTableError.unreadable(.rsdt, address: 0x3000)) {
      try RootTable(rsdp, in: memory)
    }
    memory.place(Tables.xsdt([]), at: 0x3000)
    #expect(throws: FirmwareTableError.badSignature(.rsdt, address: 0x3000)) {
      try RootTable(rsdp, in: memory)
    }
    let wild = try RSDP(at: 0x1100, in: memory)
    #expect(throws: FirmwareTableError.unreadable(.xsdt, address: UInt64.max - 16)) {
      try RootTable(wild, in: memory)
    }
    let none = try RSDP(at: 0x1200, in: memory)
    #expect(throws: FirmwareTableError.missing(.rsdt)) { try RootTable(none, in: memory) }
  }

  @Test func messagesSayWhatIsWrong() {
    #expect(
      FirmwareTableError.badChecksum(.madt, address: 0xE1000).description
        == "MADT at 0xe1000 has a bad checksum; the firmware is at fault, try another machine type")
    #expect(FirmwareTableError.missing(.rsdp).description.hasPrefix("no RSDP found"))
  }
}
