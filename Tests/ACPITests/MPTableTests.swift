import Boot
import TestSupport
import Testing

@testable import ACPI

@Suite struct MPTableTests {
  private let address: UInt64 = 0x9FC00

  private func memory(_ pointer: [UInt8], _ table: [UInt8] = []) -> FixtureMemory {
    var memory = FixtureMemory()
    memory.place(pointer, at: address)
    memory.place(table, at: address + 16)
    return memory
  }

  private func entries(_ memory: FixtureMemory) throws -> (MPTable, [MPTable.Entry]) {
    let table = try MPTable.locate(in: memory)
    var entries: [MPTable.Entry] = []
    table.forEachEntry(in: memory) { entries.append($0) }
    return (table, entries)
  }

  private func failure(_ memory: FixtureMemory) -> FirmwareTableError? {
    do throws(FirmwareTableError) {
      _ = try MPTable.locate(in: memory)
      return nil
    } catch {
      return error
    }
  }

  @Test func readsEveryKindOfEntry() throws {
    let (table, found) = try entries(
      memory(
        Tables.mpFloatingPointer(table: UInt32(address) + 16),
        Tables.mpTable([
          Tables.mpProcessor(4, flags: 3), Tables.mpProcessor(9), Tables.mpProcessor(6, flags: 0),
          Tables.mpBus, Tables.mpIOAPIC(2), Tables.mpIOAPIC(3, flags: 0), Tables.mpInterrupt,
          Tables.mpLocalInterrupt,
        ])))
    #expect(
      found == [
        .processor(APICID(4), enabled: true, isBootProcessor: true),
        .processor(APICID(9), enabled: true, isBootProcessor: false),
        .processor(APICID(6), enabled: false, isBootProcessor: false),
        .other(type: 1),
        .ioAPIC(IOAPIC(id: 2, address: 0xFEC0_0000, interruptBase: 0)),
        .other(type: 2), .other(type: 3), .other(type: 4),
      ])
    #expect(table.enabledProcessorCount == 2)
    #expect(table.localAPICAddress == 0xFEE0_0000)
    #expect(table.floatingPointerAddress == address)
  }

  @Test func defaultConfigurationHasTwoProcessors() throws {
    let (table, found) = try entries(
      memory(Tables.mpFloatingPointer(table: 0, defaultConfiguration: 5)))
    #expect(table.enabledProcessorCount == 2)
    #expect(found.count == 3)
    #expect(found[1] == .processor(APICID(1), enabled: true, isBootProcessor: false))
    #expect(
      failure(memory(Tables.mpFloatingPointer(table: 0, defaultConfiguration: 8)))
        == .unknownDefaultConfiguration(8))
  }

  /// QEMU's microvm firmware writes a table of 12 and more entries that claims to have none.
  @Test func aCountOfZeroMeansUpToTheEnd() throws {
    var memory = FixtureMemory.emptyMachine
    memory.place(Tables.mpFloatingPointer(table: 0x9FC10), at: 0x9FC00)
    memory.place(
      Tables.mpTable(
        [
          Tables.mpProcessor(0, flags: 3), Tables.mpProcessor(1), Tables.mpProcessor(2),
          Tables.mpProcessor(3), Tables.mpBus, Tables.mpIOAPIC(5), Tables.mpInterrupt,
          Tables.mpLocalInterrupt,
        ], count: 0), at: 0x9FC10)
    let table = try MPTable.locate(in: memory)
    #expect(table.enabledProcessorCount == 4)
    var entries = 0
    table.forEachEntry(in: memory) { _ in entries += 1 }
    #expect(entries == 8)
    memory.place([0, 9, 9, 9], at: 0x9FC10 + 44 + 80)
    #expect(throws: FirmwareTableError.self) { try MPTable.locate(in: memory) }
  }

  @Test func looksInAllPlaces() throws {
    let pointer = Tables.mpFloatingPointer(table: 0, defaultConfiguration: 1)
    for place: UInt64 in [0x80010, 0x7FC00, 0x9FFF0, 0xE0000, 0xF1230, 0xFFFF0] {
      var memory = FixtureMemory.emptyMachine
      memory.place([0x00, 0x80], at: 0x40E)
      memory.place([0x00, 0x02], at: 0x413)
      memory.place(pointer, at: place)
      #expect(try MPTable.locate(in: memory).floatingPointerAddress == place)
    }
    var elsewhere = FixtureMemory.emptyMachine
    elsewhere.place(pointer, at: 0x50000)
    #expect(failure(elsewhere) == .missing(.mpFloatingPointer))
  }

  @Test func refusesBrokenTables() {
    let pointer = Tables.mpFloatingPointer(table: UInt32(address) + 16)
    let table = address + 16
    let sound = Tables.mpTable([Tables.mpProcessor(0)])
    #expect(failure(memory(pointer, sound)) == nil)
    #expect(
      failure(memory(pointer)) == .unreadable(.mpConfigurationTable, address: table))
    #expect(
      failure(memory(pointer, sound.dropLast()))
        == .unreadable(.mpConfigurationTable, address: table))
    var bytes = sound
    bytes[50] ^= 1
    #expect(failure(memory(pointer, bytes)) == .badChecksum(.mpConfigurationTable, address: table))
    bytes = sound
    bytes[0] = 0x51
    #expect(failure(memory(pointer, bytes)) == .badSignature(.mpConfigurationTable, address: table))
    bytes = sound
    bytes.put(UInt16(12), at: 4)
    #expect(
      failure(memory(pointer, bytes))
        == .badLength(.mpConfigurationTable, address: table, length: 12))
    #expect(
      failure(memory(pointer, Tables.mpTable([Tables.mpProcessor(0)], count: 0xFFFF)))
        == .absurdCount(.mpConfigurationTable, address: table, count: 0xFFFF))
    #expect(
      failure(memory(pointer, Tables.mpTable([Tables.mpProcessor(0)], count: 2)))
        == .absurdCount(.mpConfigurationTable, address: table, count: 2))
    #expect(
      failure(memory(pointer, Tables.mpTable([[5, 0, 0, 0, 0, 0, 0, 0]])))
        == .badEntry(.mpConfigurationTable, address: table + 44, type: 5))
    #expect(
      failure(memory(pointer, Tables.mpTable([[0, 0, 0, 0, 0, 0, 0, 0]])))
        == .badEntry(.mpConfigurationTable, address: table + 44, type: 0))
    #expect(
      failure(memory(Tables.mpFloatingPointer(table: 0))) == .missing(.mpConfigurationTable))
    #expect(
      failure(memory(Tables.mpFloatingPointer(table: 0xFFFF_FFFF)))
        == .unreadable(.mpConfigurationTable, address: 0xFFFF_FFFF))
    #expect(
      failure(memory(Tables.mpFloatingPointer(table: 1, length: 0)))
        == .badLength(.mpFloatingPointer, address: address, length: 0))
  }

  /// Random changes with right checksums end in a table or an error, never in a crash.
  @Test func survivesMutations() {
    var generator = SplitMix64(seed: 5)
    let table = Tables.mpTable([
      Tables.mpProcessor(4, flags: 3), Tables.mpProcessor(9), Tables.mpBus, Tables.mpIOAPIC(2),
    ])
    var accepted = 0
    for _ in 0..<20_000 {
      var pointer = Tables.mpFloatingPointer(table: UInt32(address) + 16)
      var bytes = table
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let value = UInt8.random(in: 0...255, using: &generator)
        if Int.random(in: 0..<8, using: &generator) == 0 {
          pointer[Int.random(in: 0..<16, using: &generator)] = value
        } else {
          bytes[Int.random(in: 0..<bytes.count, using: &generator)] = value
        }
      }
      pointer.fixChecksum(at: 10)
      let length = Int(bytes[4]) | Int(bytes[5]) << 8
      bytes.fixChecksum(at: 7, count: min(length, bytes.count))
      if let (table, found) = try? entries(memory(pointer, bytes)) {
        accepted += 1
        #expect(table.enabledProcessorCount <= found.count)
      }
    }
    #expect(accepted > 1000)
  }
}
