/// A kind of virtual machine in which guest tests run.
public struct GuestTestConfiguration: Equatable, Sendable, CustomStringConvertible {
  /// The machine that QEMU shows to the guest.
  public var machine: MachineType
  /// The number of CPUs.
  public var cpus: Int

  /// Creates a configuration.
  public init(machine: MachineType, cpus: Int) {
    self.machine = machine
    self.cpus = cpus
  }

  /// As in `microvm/4`.
  public var description: String { "\(machine.rawValue)/\(cpus)" }
}

/// All combinations of machines and CPU counts.
public struct GuestTestMatrix: Equatable, Sendable {
  /// The combinations in the order in which they run: by machine, then by CPUs.
  public let configurations: [GuestTestConfiguration]

  /// Creates the matrix from two lists separated by commas, such as `1,2,4,8` and `microvm,q35`.
  public init(cpus: String, machines: String) throws(GuestTestMatrixError) {
    let maximum = VirtualMachineConfiguration.maximumCPUs
    var counts: [Int] = []
    for word in cpus.split(separator: ",", omittingEmptySubsequences: false) {
      guard let count = Int(word), (1...maximum).contains(count) else {
        throw .badCPUCount(String(word))
      }
      counts.append(count)
    }
    var configurations: [GuestTestConfiguration] = []
    for word in machines.split(separator: ",", omittingEmptySubsequences: false) {
      guard let machine = MachineType(rawValue: String(word)) else {
        throw .unknownMachine(String(word))
      }
      configurations += counts.map { GuestTestConfiguration(machine: machine, cpus: $0) }
    }
    self.configurations = configurations
  }
}

/// What is wrong with a list of CPU counts or machines.
public enum GuestTestMatrixError: Error, Equatable, CustomStringConvertible {
  case badCPUCount(String)
  case unknownMachine(String)

  public var description: String {
    switch self {
    case .badCPUCount(let word):
      "\"\(word)\" is no number of CPUs; give numbers from 1 to "
        + "\(VirtualMachineConfiguration.maximumCPUs), as in --cpus 1,2,4,8"
    case .unknownMachine(let word):
      "\"\(word)\" is no machine; there are "
        + MachineType.allCases.map(\.rawValue).joined(separator: ", ")
    }
  }
}
