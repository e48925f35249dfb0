import Boot

/// The table of processors that older and simpler firmware gives.
///
/// Every entry has been verified when there is a value of this type.
/// Source: Intel MultiProcessor Specification 1.4, chapter 4.
public struct MPTable: Equatable, Sendable {
  /// What an entry of the table says.
  public enum Entry: Equatable, Sendable {
    /// A processor, which can be started when it is `enabled`.
    case processor(APICID, enabled: Bool, isBootProcessor: Bool)
    /// An I/O APIC that works. The table does not say which interrupts are its own.
    case ioAPIC(IOAPIC)
    /// An entry that says nothing about processors and interrupt controllers.
    case other(type: UInt8)
  }

  private enum Layout: Equatable {
    case defaultConfiguration
    case table(address: UInt64, length: UInt64, count: UInt64)
  }

  /// Where the floating pointer is.
  public let floatingPointerAddress: UInt64
  /// The physical address of every processor's own local APIC.
  public let localAPICAddress: UInt64
  /// The number of processors that can be started, repeated ids included.
  public let enabledProcessorCount: Int
  private let layout: Layout

  /// `_MP_` as a little-endian number.
  private static var signature: UInt64 { 0x5F50_4D5F }
  private static var headerByteCount: UInt64 { 44 }

  /// Reads the floating pointer at `address` and verifies the table that it points to.
  public init(
    at address: UInt64, in memory: some PhysicalMemoryReader
  ) throws(FirmwareTableError) {
    let fields = StructureReader(memory, at: address)
    guard
      let signature = fields.load(UInt32.self, at: 0),
      let tableAddress = fields.load(UInt32.self, at: 4),
      let paragraphs = fields.load(UInt8.self, at: 8),
      let defaultConfiguration = fields.load(UInt8.self, at: 11)
    else { throw .unreadable(.mpFloatingPointer, address: address) }
    guard UInt64(signature) == Self.signature else {
      throw .badSignature(.mpFloatingPointer, address: address)
    }
    guard paragraphs == 1 else {
      throw .badLength(.mpFloatingPointer, address: address, length: UInt64(paragraphs) * 16)
    }
    guard let sum = memory.checksum(of: 16, at: address) else {
      throw .unreadable(.mpFloatingPointer, address: address)
    }
    guard sum == 0 else { throw .badChecksum(.mpFloatingPointer, address: address) }
    floatingPointerAddress = address
    if defaultConfiguration != 0 {
      guard defaultConfiguration <= 7 else {
        throw .unknownDefaultConfiguration(defaultConfiguration)
      }
      localAPICAddress = 0xFEE0_0000
      enabledProcessorCount = 2
      layout = .defaultConfiguration
      return
    }
    guard tableAddress != 0 else { throw .missing(.mpConfigurationTable) }
    let table = UInt64(tableAddress)
    let header = try Self.readHeader(at: table, in: memory)
    var enabled = 0
    try Self.walk(at: table, length: header.length, count: header.count, in: memory) { entry in
      if case .processor(_, enabled: true, _) = entry { enabled += 1 }
    }
    localAPICAddress = header.localAPICAddress
    enabledProcessorCount = enabled
    layout = .table(address: table, length: header.length, count: header.count)
  }

  /// Finds the table: in the extended BIOS data area, at the end of base memory and in the
  /// firmware's memory below 1 MiB.
  ///
  /// A signature that is not aligned to 16 bytes or has a bad checksum, and a floating pointer
  /// without a sound table, is passed over.
  /// - Throws: what is wrong with the first thing that looked like it; `missing` when there was
  ///   none.
  public static func locate(
    in memory: some PhysicalMemoryReader
  ) throws(FirmwareTableError) -> MPTable {
    var failure: FirmwareTableError?
    if let area = LowMemory.extendedBIOSDataArea(in: memory),
      let found = first(in: area, of: memory, failure: &failure)
    {
      return found
    }
    if let area = LowMemory.lastKilobyteOfBaseMemory(in: memory),
      let found = first(in: area, of: memory, failure: &failure)
    {
      return found
    }
    if let found = first(in: LowMemory.lastKilobyteBelow640K, of: memory, failure: &failure) {
      return found
    }
    if let found = first(in: LowMemory.firmware, of: memory, failure: &failure) {
      return found
    }
    throw failure ?? .missing(.mpFloatingPointer)
  }

  /// Hands every entry to `body`, in the firmware's order.
  public func forEachEntry(in memory: some PhysicalMemoryReader, _ body: (Entry) -> Void) {
    switch layout {
    case .defaultConfiguration:
      body(.processor(APICID(0), enabled: true, isBootProcessor: true))
      body(.processor(APICID(1), enabled: true, isBootProcessor: false))
      body(.ioAPIC(IOAPIC(id: 2, address: 0xFEC0_0000, interruptBase: 0)))
    case .table(let address, let length, let count):
      // The walk in `init` has found every entry sound.
      try? Self.walk(at: address, length: length, count: count, in: memory, body)
    }
  }

  private static func first(
    in range: PhysicalRange, of memory: some PhysicalMemoryReader,
    failure: inout FirmwareTableError?
  ) -> MPTable? {
    var rest = range
    while let candidate = memory.firstParagraph(
      matching: signature, mask: UInt64(UInt32.max), in: rest)
    {
      do throws(FirmwareTableError) {
        return try MPTable(at: candidate.rawValue, in: memory)
      } catch {
        failure = failure ?? error
      }
      rest = PhysicalRange(start: candidate.advanced(by: 16) ?? range.end, end: range.end)
    }
    return nil
  }

  private struct Header {
    let length: UInt64
    let count: UInt64
    let localAPICAddress: UInt64
  }

  private static func readHeader(
    at address: UInt64, in memory: some PhysicalMemoryReader
  ) throws(FirmwareTableError) -> Header {
    let fields = StructureReader(memory, at: address)
    guard
      let length = fields.load(UInt16.self, at: 4),
      let count = fields.load(UInt16.self, at: 34),
      let localAPICAddress = fields.load(UInt32.self, at: 36)
    else { throw .unreadable(.mpConfigurationTable, address: address) }
    guard memory.matches("PCMP", at: address) else {
      throw .badSignature(.mpConfigurationTable, address: address)
    }
    guard UInt64(length) >= headerByteCount else {
      throw .badLength(.mpConfigurationTable, address: address, length: UInt64(length))
    }
    guard let sum = memory.checksum(of: UInt64(length), at: address) else {
      throw .unreadable(.mpConfigurationTable, address: address)
    }
    guard sum == 0 else { throw .badChecksum(.mpConfigurationTable, address: address) }
    // The smallest entry has 8 bytes.
    guard UInt64(count) * 8 <= UInt64(length) - headerByteCount else {
      throw .absurdCount(.mpConfigurationTable, address: address, count: UInt64(count))
    }
    return Header(
      length: UInt64(length), count: UInt64(count), localAPICAddress: UInt64(localAPICAddress))
  }

  private static func walk(
    at address: UInt64, length: UInt64, count: UInt64, in memory: some PhysicalMemoryReader,
    _ body: (Entry) -> Void
  ) throws(FirmwareTableError) {
    var offset = headerByteCount
    var remaining = count
    // QEMU's microvm firmware leaves the count 0: then the table ends where its length says.
    while count > 0 ? remaining > 0 : offset < length {
      guard offset < length else {
        throw .absurdCount(.mpConfigurationTable, address: address, count: count)
      }
      let entry = StructureReader(memory, at: address + offset)
      guard
        let type = entry.load(UInt8.self, at: 0),
        let id = entry.load(UInt8.self, at: 1),
        let flags = entry.load(UInt8.self, at: 3),
        let base = entry.load(UInt32.self, at: 4)
      else { throw .unreadable(.mpConfigurationTable, address: address + offset) }
      let size: UInt64 = type == 0 ? 20 : 8
      guard type <= 4, size <= length - offset else {
        throw .badEntry(.mpConfigurationTable, address: address + offset, type: type)
      }
      switch type {
      case 0:
        body(
          .processor(APICID(UInt32(id)), enabled: flags & 1 != 0, isBootProcessor: flags & 2 != 0))
      case 2 where flags & 1 != 0:
        body(.ioAPIC(IOAPIC(id: id, address: UInt64(base), interruptBase: 0)))
      default:
        body(.other(type: type))
      }
      offset += size
      if count > 0 { remaining -= 1 }
    }
  }
}
