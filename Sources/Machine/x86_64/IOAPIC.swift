#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// An I/O APIC, which turns signals of devices into interrupts of chosen CPUs (Intel 82093AA data sheet).
struct IOAPIC {
  /// Where its two windows are: which register, and its value (3.1).
  private let address: UInt64
  /// The first of its lines, and how many there are.
  let firstLine: UInt32
  let lineCount: UInt32

  private static let versionRegister: UInt32 = 1
  private static let firstEntry: UInt32 = 0x10
  private static let masked: UInt32 = 1 << 16
  private static let level: UInt32 = 1 << 15
  private static let activeLow: UInt32 = 1 << 13

  /// The controller at `address`, which must be mapped.
  init(address: UInt64, firstLine: UInt32) {
    self.address = address
    self.firstLine = firstLine
    apus_mmio_write32(address, Self.versionRegister)
    // Bits 16 to 23: the number of the last entry (3.2.2).
    lineCount = (apus_mmio_read32(address + 0x10) >> 16 & 0xFF) + 1
  }

  @inline(__always)
  func contains(_ line: UInt32) -> Bool { line >= firstLine && line - firstLine < lineCount }

  private func read(_ register: UInt32) -> UInt32 {
    apus_mmio_write32(address, register)
    return apus_mmio_read32(address + 0x10)
  }

  private func write(_ register: UInt32, _ value: UInt32) {
    apus_mmio_write32(address, register)
    apus_mmio_write32(address + 0x10, value)
  }

  /// Sends the line as `vector` to the CPU with that id, as soon as it is unmasked; it is masked now (3.2.4).
  func route(_ line: UInt32, _ trigger: InterruptTrigger, vector: UInt8, to apicID: UInt32) {
    let entry = Self.firstEntry + 2 * (line - firstLine)
    write(entry, Self.masked)
    write(entry + 1, apicID << 24)
    write(
      entry,
      Self.masked | UInt32(vector) | (trigger.isLevel ? Self.level : 0)
        | (trigger.isInverted ? Self.activeLow : 0))
  }

  /// Lets the line through, or holds it back. What is read comes after what was written: no interrupt of a
  /// masked line sets out when this has returned.
  func setMasked(_ line: UInt32, _ isMasked: Bool) {
    let entry = Self.firstEntry + 2 * (line - firstLine)
    let value = read(entry)
    write(entry, isMasked ? value | Self.masked : value & ~Self.masked)
    _ = read(entry)
  }
}
#endif
