import ArgumentParser
import VirtualMachines

/// The flags that describe the virtual machine.
struct VirtualMachineOptions: ParsableArguments {
  @Option(
    help: .init(
      "The number of CPUs, 1 to \(VirtualMachineConfiguration.maximumCPUs).", valueName: "n"))
  var cpus = VirtualMachineConfiguration.defaultCPUs

  @Option(
    help: .init(
      """
      The memory: a number and K, M or G; 64M, 64MB and 64MiB are the same. \
      (default: \(VirtualMachineConfiguration.defaultMemory))
      """, valueName: "size"),
    transform: Self.memorySize)
  var memory = VirtualMachineConfiguration.defaultMemory

  @Option(help: .init("The machine that QEMU shows to the guest.", valueName: "type"))
  var machine = MachineType.microvm

  @Option(
    help: .init(
      """
      What executes the guest: kvm (CPU model 'host'), tcg (CPU model 'max'), or auto, which \
      takes kvm where a guest really runs under it.
      """, valueName: "how"))
  var accel = AcceleratorChoice.auto

  @Option(
    help: .init(
      "The page tables: shared by all CPUs but for the root, or each CPU's own (per-cpu).",
      valueName: "how"))
  var pageTables = PageTables.shared

  mutating func validate() throws {
    let maximum = VirtualMachineConfiguration.maximumCPUs
    guard (1...maximum).contains(cpus) else {
      throw ValidationError("--cpus \(cpus): give a number from 1 to \(maximum)")
    }
  }

  private static func memorySize(_ text: String) throws -> MemorySize {
    guard let size = MemorySize(text) else {
      throw ValidationError("'\(text)' is no size; write for example 64M or 1G")
    }
    return size
  }

  /// The accelerator to be used, and why when it was chosen here.
  ///
  /// - Parameter purpose: what is wanted that only TCG does, as in "counts instructions", if
  ///   anything is.
  func accelerator(onlyTCG purpose: String?) -> AcceleratorProbe.Choice {
    switch accel {
    case .kvm: .init(accelerator: .kvm, reason: "--accel kvm")
    case .tcg: .init(accelerator: .tcg, reason: "--accel tcg")
    case .auto:
      purpose.map { .init(accelerator: .tcg, reason: "only TCG \($0)") }
        ?? AcceleratorProbe.choose()
    }
  }
}
