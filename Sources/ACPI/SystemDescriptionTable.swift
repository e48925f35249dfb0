import Boot

/// An ACPI table whose length and checksum are sound.
///
/// Source: ACPI specification, section 5.2.6.
public struct SystemDescriptionTable: Equatable, Sendable {
  /// The size of the header that all tables begin with, in bytes.
  public static var headerByteCount: UInt64 { 36 }
  /// A longer table is taken for a broken one, in bytes.
  public static var byteLimit: UInt64 { 1 << 20 }

  /// Where the table is.
  public let address: UInt64
  /// Its size with the header, in bytes.
  public let length: UInt64
  /// The revision of the table's layout.
  public let revision: UInt8

  /// Verifies the table at `address`.
  ///
  /// - Parameters:
  ///   - signature: the four characters that the table must begin with.
  ///   - table: what an error calls it.
  public init(
    _ signature: StaticString, _ table: FirmwareTableError.Table, at address: UInt64,
    in memory: some PhysicalMemoryReader
  ) throws(FirmwareTableError) {
    let fields = StructureReader(memory, at: address)
    guard
      let length = fields.load(UInt32.self, at: 4),
      let revision = fields.load(UInt8.self, at: 8)
    else { throw .unreadable(table, address: address) }
    guard memory.matches(signature, at: address) else {
      throw .badSignature(table, address: address)
    }
    guard length >= Self.headerByteCount, length <= Self.byteLimit else {
      throw .badLength(table, address: address, length: UInt64(length))
    }
    guard let sum = memory.checksum(of: UInt64(length), at: address) else {
      throw .unreadable(table, address: address)
    }
    guard sum == 0 else { throw .badChecksum(table, address: address) }
    self.address = address
    self.length = UInt64(length)
    self.revision = revision
  }
}
