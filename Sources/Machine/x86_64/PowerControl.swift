#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// The end of the machine.
public enum PowerControl {
  // Where the ACPI sleep register is, and what to write there; 0 for none. Written once by the boot
  // CPU before any other runs.
  private static let sleepPort = Atomic<UInt64>(0)
  private static let sleepAddress = Atomic<UInt64>(0)
  private static let sleepValue = Atomic<UInt8>(0)

  /// Makes `powerOff` use an ACPI sleep register too: an I/O port, or memory.
  public static func setSleepRegister(port: UInt16, value: UInt8) {
    sleepPort.store(UInt64(port), ordering: .relaxed)
    sleepValue.store(value, ordering: .relaxed)
  }

  /// The same for a register in memory.
  public static func setSleepRegister(address: UInt64, value: UInt8) {
    sleepAddress.store(address, ordering: .relaxed)
    sleepValue.store(value, ordering: .relaxed)
  }

  /// Ends the VM. `code` reaches whoever started QEMU as `code << 1 | 1`. Without that device the
  /// ACPI sleep register ends it (Cloud Hypervisor, QEMU's microvm), or a reset by the keyboard
  /// controller (Firecracker, and any VM that may not reboot).
  public static func powerOff(code: UInt32) -> Never {
    OutputChannel.drain()
    apus_out32(0xF4, code)
    let port = sleepPort.load(ordering: .relaxed)
    let address = sleepAddress.load(ordering: .relaxed)
    let value = sleepValue.load(ordering: .relaxed)
    if port != 0 { apus_out8(UInt16(truncatingIfNeeded: port), value) }
    if address != 0 { apus_mmio_write8(address, value) }
    apus_out8(0x64, 0xFE)
    Processor.halt()
  }
}
#endif
