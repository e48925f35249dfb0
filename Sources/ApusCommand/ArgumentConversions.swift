import ArgumentParser
import VirtualMachines

extension MachineType: ExpressibleByArgument {}

extension PageTables: ExpressibleByArgument {}

extension MemorySize: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }

  public var defaultValueDescription: String { description }
}

/// What `--accel` takes.
enum AcceleratorChoice: String, CaseIterable, ExpressibleByArgument {
  case auto, kvm, tcg
}
