import Boot

/// The root of the ACPI tables: the Root System Description Pointer.
///
/// Source: ACPI specification, section 5.2.5.3.
public struct RSDP: Equatable, Sendable {
  /// Where the structure is.
  public let address: UInt64
  /// 0 for ACPI 1.0, else 2 or greater.
  public let revision: UInt8
  /// Where the RSDT is; 0 when there is none.
  public let rsdtAddress: UInt64
  /// Where the XSDT is; 0 when there is none.
  public let xsdtAddress: UInt64

  /// `RSD PTR ` as a little-endian number.
  private static var signature: UInt64 { 0x2052_5450_2044_5352 }

  /// Reads the structure at `address` and verifies its signature and checksums.
  public init(
    at address: UInt64, in memory: some PhysicalMemoryReader
  ) throws(FirmwareTableError) {
    let fields = StructureReader(memory, at: address)
    guard let signature = fields.load(UInt64.self, at: 0) else {
      throw .unreadable(.rsdp, address: address)
    }
    guard signature == Self.signature else { throw .badSignature(.rsdp, address: address) }
    guard
      let sum = memory.checksum(of: 20, at: address),
      let revision = fields.load(UInt8.self, at: 15),
      let rsdtAddress = fields.load(UInt32.self, at: 16)
    else { throw .unreadable(.rsdp, address: address) }
    guard sum == 0 else { throw .badChecksum(.rsdp, address: address) }
    self.address = address
    self.revision = revision
    self.rsdtAddress = UInt64(rsdtAddress)
    guard revision >= 2 else {
      xsdtAddress = 0
      return
    }
    guard
      let length = fields.load(UInt32.self, at: 20),
      let xsdtAddress = fields.load(UInt64.self, at: 24)
    else { throw .unreadable(.rsdp, address: address) }
    guard length >= 36, length <= 4096 else {
      throw .badLength(.rsdp, address: address, length: UInt64(length))
    }
    guard let extendedSum = memory.checksum(of: UInt64(length), at: address) else {
      throw .unreadable(.rsdp, address: address)
    }
    guard extendedSum == 0 else { throw .badChecksum(.rsdp, address: address) }
    self.xsdtAddress = xsdtAddress
  }

  /// Finds the structure: at `hint`, where the loader says that it is, unless this is 0; otherwise
  /// in the extended BIOS data area and the firmware's memory below 1 MiB.
  ///
  /// A signature that is not aligned to 16 bytes or has a bad checksum is passed over.
  /// - Throws: what is wrong with the structure at the hint, or with the first one that looked
  ///   like it; `missing` when there was none.
  public static func locate(
    hint: UInt64, in memory: some PhysicalMemoryReader
  ) throws(FirmwareTableError) -> RSDP {
    var failure: FirmwareTableError?
    if hint != 0 {
      do throws(FirmwareTableError) {
        return try RSDP(at: hint, in: memory)
      } catch {
        failure = error
      }
    }
    if let area = LowMemory.extendedBIOSDataArea(in: memory),
      let found = first(in: area, of: memory, failure: &failure)
    {
      return found
    }
    if let found = first(in: LowMemory.firmware, of: memory, failure: &failure) {
      return found
    }
    throw failure ?? .missing(.rsdp)
  }

  private static func first(
    in range: PhysicalRange, of memory: some PhysicalMemoryReader,
    failure: inout FirmwareTableError?
  ) -> RSDP? {
    var rest = range
    while let candidate = memory.firstParagraph(
      matching: signature, mask: UInt64.max, in: rest)
    {
      do throws(FirmwareTableError) {
        return try RSDP(at: candidate.rawValue, in: memory)
      } catch {
        failure = failure ?? error
      }
      rest = PhysicalRange(start: candidate.advanced(by: 16) ?? range.end, end: range.end)
    }
    return nil
  }
}
