import Boot

/// The ACPI table of processors and interrupt controllers: the Multiple APIC Description Table.
///
/// Every entry has been verified when there is a value of this type.
/// Source: ACPI specification, section 5.2.12.
public struct MADT: Equatable, Sendable {
  /// What an entry of the table says.
  public enum Entry: Equatable, Sendable {
    /// A processor. It can be started when it is `enabled`; `onlineCapable` ones may be plugged in
    /// later. An id may occur more than once.
    case processor(APICID, enabled: Bool, onlineCapable: Bool)
    /// An I/O APIC.
    case ioAPIC(IOAPIC)
    /// An interrupt of the old PC that arrives elsewhere.
    case interruptSourceOverride(InterruptSourceOverride)
    /// The 64-bit address of the local APICs, instead of the one in the header.
    case localAPICAddress(UInt64)
    /// An entry that says nothing about processors and interrupt lines.
    case other(type: UInt8)
  }

  /// The physical address of every processor's own local APIC.
  public let localAPICAddress: UInt64
  /// Whether there is a pair of 8259 interrupt controllers, which must be masked.
  public let hasLegacyPIC: Bool
  /// The number of processors that can be started, repeated ids included.
  public let enabledProcessorCount: Int
  private let table: SystemDescriptionTable

  /// Where the table is.
  public var address: UInt64 { table.address }

  private static var entriesOffset: UInt64 { 44 }

  /// Verifies the table at `address` and all of its entries.
  public init(
    at address: UInt64, in memory: some PhysicalMemoryReader
  ) throws(FirmwareTableError) {
    table = try SystemDescriptionTable("APIC", .madt, at: address, in: memory)
    guard table.length >= Self.entriesOffset else {
      throw .badLength(.madt, address: address, length: table.length)
    }
    let fields = StructureReader(memory, at: address)
    guard
      let localAPICAddress = fields.load(UInt32.self, at: 36),
      let flags = fields.load(UInt32.self, at: 40)
    else { throw .unreadable(.madt, address: address) }
    var finalAddress = UInt64(localAPICAddress)
    var enabled = 0
    try Self.walk(table, in: memory) { entry in
      switch entry {
      case .localAPICAddress(let address): finalAddress = address
      case .processor(_, enabled: true, _): enabled += 1
      default: break
      }
    }
    self.localAPICAddress = finalAddress
    hasLegacyPIC = flags & 1 != 0
    enabledProcessorCount = enabled
  }

  /// Hands every entry to `body`, in the firmware's order.
  public func forEachEntry(in memory: some PhysicalMemoryReader, _ body: (Entry) -> Void) {
    // The walk in `init` has found every entry sound.
    try? Self.walk(table, in: memory, body)
  }

  private static func walk(
    _ table: SystemDescriptionTable, in memory: some PhysicalMemoryReader, _ body: (Entry) -> Void
  ) throws(FirmwareTableError) {
    let fields = StructureReader(memory, at: table.address)
    var offset = entriesOffset
    while offset < table.length {
      guard
        let type = fields.load(UInt8.self, at: offset),
        let length = fields.load(UInt8.self, at: offset + 1)
      else { throw .unreadable(.madt, address: table.address + offset) }
      guard length >= minimumLength(ofType: type), UInt64(length) <= table.length - offset else {
        throw .badEntry(.madt, address: table.address + offset, type: type)
      }
      let entry = StructureReader(memory, at: table.address + offset)
      guard let value = read(entry, type: type) else {
        throw .unreadable(.madt, address: table.address + offset)
      }
      body(value)
      offset += UInt64(length)
    }
  }

  private static func minimumLength(ofType type: UInt8) -> UInt8 {
    switch type {
    case 0: 8
    case 1, 5: 12
    case 2: 10
    case 9: 16
    default: 2
    }
  }

  private static func read<Memory: PhysicalMemoryReader>(
    _ fields: StructureReader<Memory>, type: UInt8
  ) -> Entry? {
    switch type {
    case 0:
      guard
        let id = fields.load(UInt8.self, at: 3),
        let flags = fields.load(UInt32.self, at: 4)
      else { return nil }
      // 0xFF addresses all processors, so it is nobody's id: firmware writes it for an empty seat.
      return id == 0xFF ? .other(type: type) : processor(UInt32(id), flags: flags)
    case 9:
      guard
        let id = fields.load(UInt32.self, at: 4),
        let flags = fields.load(UInt32.self, at: 8)
      else { return nil }
      return id == UInt32.max ? .other(type: type) : processor(id, flags: flags)
    case 1:
      guard
        let id = fields.load(UInt8.self, at: 2),
        let address = fields.load(UInt32.self, at: 4),
        let base = fields.load(UInt32.self, at: 8)
      else { return nil }
      return .ioAPIC(IOAPIC(id: id, address: UInt64(address), interruptBase: base))
    case 2:
      guard
        let source = fields.load(UInt8.self, at: 3),
        let interrupt = fields.load(UInt32.self, at: 4),
        let flags = fields.load(UInt16.self, at: 8)
      else { return nil }
      return .interruptSourceOverride(
        InterruptSourceOverride(source: source, interrupt: interrupt, flags: flags))
    case 5:
      return fields.load(UInt64.self, at: 4).map { .localAPICAddress($0) }
    default:
      return .other(type: type)
    }
  }

  private static func processor(_ id: UInt32, flags: UInt32) -> Entry {
    .processor(APICID(id), enabled: flags & 1 != 0, onlineCapable: flags & 2 != 0)
  }
}
