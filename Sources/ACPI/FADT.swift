import Boot

/// The ACPI table that says how the machine is switched off: the Fixed ACPI Description Table.
///
/// Only what a virtual machine without the old PC's power controller has is read: the sleep
/// registers of hardware-reduced ACPI.
/// Source: ACPI specification, sections 5.2.9 and 4.8.3.7.
public struct FADT: Equatable, Sendable {
  /// Where a register of one byte is.
  public enum Register: Equatable, Sendable {
    case port(UInt16)
    case memory(UInt64)
  }

  /// The register that takes the machine to a sleep state; `nil` where there is none.
  public let sleepControl: Register?

  /// What to write to the register for the state "soft off". The type of sleep is 5, which Cloud
  /// Hypervisor and QEMU both use; the general way, a package in AML, would need an interpreter.
  public static var softOff: UInt8 { 5 << 2 | 1 << 5 }

  private static var flagsOffset: UInt64 { 112 }
  private static var sleepControlOffset: UInt64 { 244 }
  private static var hardwareReduced: UInt32 { 1 << 20 }

  /// Verifies the table at `address`.
  public init(
    at address: UInt64, in memory: some PhysicalMemoryReader
  ) throws(FirmwareTableError) {
    let table = try SystemDescriptionTable("FACP", .fadt, at: address, in: memory)
    let fields = StructureReader(memory, at: address)
    // Older versions of the table are shorter: they know no such registers.
    guard table.length >= Self.sleepControlOffset + 12 else {
      sleepControl = nil
      return
    }
    guard
      let flags = fields.load(UInt32.self, at: Self.flagsOffset),
      let space = fields.load(UInt8.self, at: Self.sleepControlOffset),
      let place = fields.load(UInt64.self, at: Self.sleepControlOffset + 4)
    else { throw .unreadable(.fadt, address: address) }
    switch (flags & Self.hardwareReduced != 0 && place != 0, space) {
    case (true, 0): sleepControl = .memory(place)
    case (true, 1): sleepControl = UInt16(exactly: place).map { .port($0) }
    default: sleepControl = nil
    }
  }

  /// Finds the table by way of the root table, if there is one.
  public static func locate(
    root: Result<RootTable, FirmwareTableError>, in memory: some PhysicalMemoryReader
  ) throws(FirmwareTableError) -> FADT {
    guard let address = try root.get().address(of: "FACP", in: memory) else {
      throw .missing(.fadt)
    }
    return try FADT(at: address, in: memory)
  }
}
