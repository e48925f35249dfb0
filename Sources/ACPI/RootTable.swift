import Boot

/// The table of all ACPI tables: the XSDT or, where there is no sound one, the RSDT.
///
/// Source: ACPI specification, sections 5.2.7 and 5.2.8.
public struct RootTable: Equatable, Sendable {
  private let table: SystemDescriptionTable
  private let entryByteCount: UInt64

  /// Verifies the root table that `rsdp` points to.
  public init(
    _ rsdp: RSDP, in memory: some PhysicalMemoryReader
  ) throws(FirmwareTableError) {
    var failure: FirmwareTableError?
    if rsdp.xsdtAddress != 0 {
      do throws(FirmwareTableError) {
        table = try SystemDescriptionTable("XSDT", .xsdt, at: rsdp.xsdtAddress, in: memory)
        entryByteCount = 8
        return
      } catch {
        failure = error
      }
    }
    guard rsdp.rsdtAddress != 0 else { throw failure ?? .missing(.rsdt) }
    table = try SystemDescriptionTable("RSDT", .rsdt, at: rsdp.rsdtAddress, in: memory)
    entryByteCount = 4
  }

  /// The root table by way of the root pointer, or why there is none. The search for the pointer
  /// may have to look through 128 KiB, so its result is for all that need a table.
  ///
  /// - Parameter rsdpHint: where the loader says that the root pointer is; 0 when it does not.
  public static func locate(
    rsdpHint: UInt64, in memory: some PhysicalMemoryReader
  ) -> Result<RootTable, FirmwareTableError> {
    do throws(FirmwareTableError) {
      return .success(try RootTable(RSDP.locate(hint: rsdpHint, in: memory), in: memory))
    } catch {
      return .failure(error)
    }
  }

  /// The number of tables.
  public var count: UInt64 {
    (table.length - SystemDescriptionTable.headerByteCount) / entryByteCount
  }

  /// The address of the first table with this signature of four characters; nil when there is
  /// none. Tables that cannot be read are passed over.
  public func address(
    of signature: StaticString, in memory: some PhysicalMemoryReader
  ) -> UInt64? {
    let fields = StructureReader(memory, at: table.address)
    var index: UInt64 = 0
    while index < count {
      let offset = SystemDescriptionTable.headerByteCount + index * entryByteCount
      let address =
        entryByteCount == 8
        ? fields.load(UInt64.self, at: offset)
        : fields.load(UInt32.self, at: offset).map(UInt64.init)
      if let address, memory.matches(signature, at: address) { return address }
      index += 1
    }
    return nil
  }
}
