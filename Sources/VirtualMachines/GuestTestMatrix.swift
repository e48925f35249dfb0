/// A kind of virtual machine in which guest tests run.
public struct GuestTestConfiguration: Equatable, Sendable, CustomStringConvertible {
  /// The machine that QEMU shows to the guest.
  public var machine: MachineType
  /// The number of CPUs.
  public var cpus: Int

  /// The page tables of the guest.
  public var pageTables: PageTables

  /// Creates a configuration.
  public init(machine: MachineType, cpus: Int, pageTables: PageTables = .shared) {
    self.machine = machine
    self.cpus = cpus
    self.pageTables = pageTables
  }

  /// As in `microvm/4` or `microvm/4/per-cpu`.
  public var description: String {
    "\(machine.rawValue)/\(cpus)" + (pageTables == .shared ? "" : "/\(pageTables.rawValue)")
  }
}

/// All combinations of machines, CPU counts and page tables.
public struct GuestTestMatrix: Equatable, Sendable {
  /// The combinations in the order in which they run: by page tables, machine, CPUs.
  public let configurations: [GuestTestConfiguration]

  /// Creates the matrix from lists separated by commas, such as `1,2,4,8`, `microvm,q35` and
  /// `shared,per-cpu`.
  public init(
    cpus: String, machines: String, pageTables: String = PageTables.shared.rawValue
  ) throws(GuestTestMatrixError) {
    let maximum = VirtualMachineConfiguration.maximumCPUs
    var counts: [Int] = []
    for word in cpus.split(separator: ",", omittingEmptySubsequences: false) {
      guard let count = Int(word), (1...maximum).contains(count) else {
        throw .badCPUCount(String(word))
      }
      counts.append(count)
    }
    var machineTypes: [MachineType] = []
    for word in machines.split(separator: ",", omittingEmptySubsequences: false) {
      guard let machine = MachineType(rawValue: String(word)) else {
        throw .unknownMachine(String(word))
      }
      machineTypes.append(machine)
    }
    var configurations: [GuestTestConfiguration] = []
    for word in pageTables.split(separator: ",", omittingEmptySubsequences: false) {
      guard let tables = PageTables(rawValue: String(word)) else {
        throw .unknownPageTables(String(word))
      }
      for machine in machineTypes {
        configurations += counts.map {
          GuestTestConfiguration(machine: machine, cpus: $0, pageTables: tables)
        }
      }
    }
    self.configurations = configurations
  }
}

/// What is wrong with a list of CPU counts or machines.
public enum GuestTestMatrixError: Error, Equatable, CustomStringConvertible {
  case badCPUCount(String)
  case unknownMachine(String)
  case unknownPageTables(String)

  public var description: String {
    switch self {
    case .badCPUCount(let word):
      "\"\(word)\" is no number of CPUs; give numbers from 1 to "
        + "\(VirtualMachineConfiguration.maximumCPUs), as in --cpus 1,2,4,8"
    case .unknownMachine(let word):
      "\"\(word)\" is no machine; there are "
        + MachineType.allCases.map(\.rawValue).joined(separator: ", ")
    case .unknownPageTables(let word):
      "\"\(word)\" are no page tables; there are "
        + PageTables.allCases.map(\.rawValue).joined(separator: ", ")
    }
  }
}
