import Boot

/// The places below 1 MiB where firmware leaves its pointer structures.
///
/// Sources: ACPI specification, section 5.2.5.1; MultiProcessor Specification 1.4, section 4.
enum LowMemory {
  /// The read-only memory of the firmware, where the search for an RSDP ends.
  static var firmware: PhysicalRange {
    PhysicalRange(start: UInt64(0xE0000), end: UInt64(0x100000))
  }

  /// The last KiB of 640 KiB of base memory, where QEMU's microvm and Firecracker put the MP
  /// table without leaving the BIOS data area's word that would say so.
  static var lastKilobyteBelow640K: PhysicalRange {
    PhysicalRange(start: UInt64(0x9FC00), byteCount: 1024)
  }

  /// The first KiB of the extended BIOS data area, to which the word at 0x40E points; nil when the
  /// word cannot be right.
  static func extendedBIOSDataArea(in memory: some PhysicalMemoryReader) -> PhysicalRange? {
    guard let segment = memory.load(UInt16.self, at: 0x40E) else { return nil }
    let address = UInt64(segment) << 4
    guard address >= 0x500, address < 0xA0000 else { return nil }
    return PhysicalRange(start: address, byteCount: 1024)
  }

  /// The last KiB of base memory, whose size in KiB is at 0x413; nil when that cannot be right.
  static func lastKilobyteOfBaseMemory(in memory: some PhysicalMemoryReader) -> PhysicalRange? {
    guard let kilobytes = memory.load(UInt16.self, at: 0x413), kilobytes >= 2, kilobytes <= 640
    else { return nil }
    return PhysicalRange(start: (UInt64(kilobytes) - 1) << 10, byteCount: 1024)
  }
}
