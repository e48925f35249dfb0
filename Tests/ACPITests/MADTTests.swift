import Boot
import TestSupport
import Testing

@testable import ACPI

@Suite struct MADTTests {
  private let address: UInt64 = 0xE1000

  private func entries(_ bytes: [UInt8]) throws -> (MADT, [MADT.Entry]) {
    var memory = FixtureMemory()
    memory.place(bytes, at: address)
    let madt = try MADT(at: address, in: memory)
    var entries: [MADT.Entry] = []
    madt.forEachEntry(in: memory) { entries.append($0) }
    return (madt, entries)
  }

  @Test func readsEveryKindOfEntry() throws {
    let (madt, found) = try entries(
      Tables.madt([
        Tables.localAPIC(0), Tables.localAPIC(5, flags: 2), Tables.localAPIC(0xFF),
        Tables.ioAPIC(3, address: 0xFEC0_0000, base: 24),
        Tables.interruptOverride(0, to: 2, flags: 5), Tables.nonMaskableInterrupt,
        Tables.x2APIC(0x1_0000), Tables.x2APIC(7, flags: 0), Tables.x2APIC(UInt32.max),
        [0x7F, 2],
      ]))
    #expect(
      found == [
        .processor(APICID(0), enabled: true, onlineCapable: false),
        .processor(APICID(5), enabled: false, onlineCapable: true),
        .other(type: 0),
        .ioAPIC(IOAPIC(id: 3, address: 0xFEC0_0000, interruptBase: 24)),
        .interruptSourceOverride(InterruptSourceOverride(source: 0, interrupt: 2, flags: 5)),
        .other(type: 4),
        .processor(APICID(0x1_0000), enabled: true, onlineCapable: false),
        .processor(APICID(7), enabled: false, onlineCapable: false),
        .other(type: 9),
        .other(type: 0x7F),
      ])
    #expect(madt.enabledProcessorCount == 2)
    #expect(madt.localAPICAddress == 0xFEE0_0000)
    #expect(madt.hasLegacyPIC)
  }

  @Test func addressOverrideAndNoPIC() throws {
    let (madt, _) = try entries(
      Tables.madt([Tables.localAPICAddress(0x12_FEE0_0000)], flags: 0xFFFF_FFFE))
    #expect(madt.localAPICAddress == 0x12_FEE0_0000)
    #expect(!madt.hasLegacyPIC)
  }

  @Test func threeHundredProcessors() throws {
    let (madt, found) = try entries(
      Tables.madt((0..<300).map { Tables.x2APIC(UInt32($0) * 3) }))
    #expect(madt.enabledProcessorCount == 300)
    #expect(found.last == .processor(APICID(897), enabled: true, onlineCapable: false))
  }

  private static let badEntries: [[UInt8]] = [
    [0, 0], [0x40, 0], [0x40, 1], [0, 7, 0, 0, 1, 0, 0], [9, 8, 0, 0, 1, 0, 0, 0],
    [0, 9, 0, 0, 1, 0, 0, 0], [1, 4, 0, 0], [0x40, 255], [5, 8, 0, 0, 0, 0, 0, 0],
  ]

  @Test(arguments: badEntries)
  func refusesBadEntries(entry: [UInt8]) {
    #expect(throws: FirmwareTableError.badEntry(.madt, address: address + 52, type: entry[0])) {
      try entries(Tables.madt([Tables.localAPIC(0), entry]))
    }
  }

  @Test func refusesBrokenTables() {
    var bytes = Tables.madt([Tables.localAPIC(0)])
    bytes[40] ^= 1
    #expect(throws: FirmwareTableError.badChecksum(.madt, address: address)) { try entries(bytes) }
    #expect(throws: FirmwareTableError.unreadable(.madt, address: address)) {
      try entries(bytes.dropLast())
    }
    #expect(throws: FirmwareTableError.badLength(.madt, address: address, length: 40)) {
      try entries(Tables.table("APIC", [0, 0, 0, 0]))
    }
    // A single byte is left behind the last entry.
    #expect(throws: FirmwareTableError.self) { try entries(Tables.madt([[0]])) }
  }

  /// Random changes with a right checksum end in a table or an error, never in a crash.
  @Test func survivesMutations() {
    var generator = SplitMix64(seed: 4)
    let sound = Tables.madt([
      Tables.localAPIC(0), Tables.ioAPIC(3, address: 0xFEC0_0000, base: 24), Tables.x2APIC(9),
      Tables.interruptOverride(0, to: 2, flags: 5), Tables.localAPICAddress(1),
    ])
    var accepted = 0
    for _ in 0..<20_000 {
      var bytes = sound
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let offset = Int.random(in: 0..<bytes.count, using: &generator)
        bytes[offset] = UInt8.random(in: 0...255, using: &generator)
      }
      bytes.fixChecksum(at: 9)
      if let (madt, found) = try? entries(bytes) {
        accepted += 1
        #expect(madt.enabledProcessorCount <= found.count)
      }
    }
    #expect(accepted > 1000)
  }
}
