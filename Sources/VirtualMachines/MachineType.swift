/// The virtual machine that QEMU shows to the guest.
public enum MachineType: String, CaseIterable, Sendable {
  /// QEMU's minimal machine with ACPI tables.
  case microvm
  /// The minimal machine without ACPI: only an MP table tells of the CPUs.
  case microvmWithoutACPI = "microvm-noacpi"
  /// The PCI Express chipset.
  case q35
  /// The old PCI chipset.
  case pc

  /// The value of QEMU's option `-M`.
  public var qemuMachine: String {
    switch self {
    case .microvm: "microvm,isa-serial=on,auto-kernel-cmdline=off,acpi=on"
    case .microvmWithoutACPI: "microvm,isa-serial=on,auto-kernel-cmdline=off,acpi=off"
    case .q35: "q35"
    case .pc: "pc"
    }
  }
}

/// What executes the guest's instructions.
public enum Accelerator: String, CaseIterable, Sendable {
  /// The host's CPU, through `/dev/kvm`.
  case kvm
  /// QEMU's own translation: slower, and everywhere.
  case tcg

  /// The CPU model that the guest sees: the value of QEMU's option `-cpu`.
  public var cpuModel: String {
    switch self {
    case .kvm: "host"
    case .tcg: "max"
    }
  }
}

/// From which level on the kernel's messages are written to its log.
public enum LogLevel: String, CaseIterable, Sendable {
  case error, warning, notice, info, debug
}
