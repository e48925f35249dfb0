/// Everything that describes one run of an image in a virtual machine.
public struct VirtualMachineConfiguration: Equatable, Sendable {
  /// The most CPUs that a virtual machine may have: the number that the kernel supports.
  public static let maximumCPUs = 64
  /// The CPUs of a virtual machine for which no number is given.
  public static let defaultCPUs = 4
  /// The memory of a virtual machine for which no size is given.
  public static let defaultMemory = MemorySize(mebibytes: 256)
  /// The longest kernel command line, in bytes, that QEMU's PVH loader hands over.
  public static let maximumCommandLineBytes = 4095
  /// The seconds that the kernel has after the timeout for its report.
  public static let reportSeconds = 2.0
  /// The same when a trace is a part of it.
  public static let traceSeconds = 20.0

  /// A QEMU plugin that watches the run, and writes what it has seen to a file at the end.
  public struct Observation: Equatable, Sendable {
    /// The path of the plugin, a shared library.
    public var plugin: String
    /// The path of the file that the plugin writes.
    public var output: String

    public init(plugin: String, output: String) {
      self.plugin = plugin
      self.output = output
    }
  }

  /// What the plugin counts between marks.
  public enum Counted: UInt64, Sendable {
    case instructions = 0
    /// Nanoseconds of the host's time.
    case wallTime = 1
    /// Nanoseconds that the host's processors spend on the thread that runs the virtual CPU.
    case processorTime = 2
    /// Instructions that QEMU translated, for any CPU: what is in several blocks counts in each.
    case translations = 3

    /// Whether the clock of instructions makes two runs count the same.
    var isRepeatable: Bool { self == .instructions || self == .translations }
  }

  /// QEMU: a name that is looked for on the PATH, or a path.
  public var qemu = QEMUCommandLine.program
  /// The path of the image: an ELF file with a PVH entry note.
  public var image: String
  /// The number of CPUs, 1...`maximumCPUs`.
  public var cpus = defaultCPUs
  /// The size of the guest's memory.
  public var memory = defaultMemory
  /// The machine that QEMU shows to the guest.
  public var machine = MachineType.microvm
  /// What executes the guest's instructions.
  public var accelerator = Accelerator.tcg
  /// The path of the archive with the root file system, or `nil` for none.
  public var initrd: String?
  /// The application's argument 0.
  public var programName: String
  /// The application's arguments after argument 0.
  public var arguments: [String] = []
  /// The application's environment, in the order in which it was given.
  public var environment: [EnvironmentVariable] = []
  /// The page tables of the guest.
  public var pageTables = PageTables.shared
  /// From which level on the kernel writes messages to its log.
  public var logLevel = LogLevel.info
  /// How many events of each CPU the kernel records, a power of two, or `nil` for none.
  public var traceEventCount: Int?
  /// The kernel counts what CPUs and threads do, and tells it at the end.
  public var wantsStatistics = false
  /// Threads run until they wait, end or yield.
  public var isCooperative = false
  /// The seconds after which the virtual machine is stopped, or `nil` for no bound: the kernel is
  /// asked to say where every CPU is, and `reportSeconds` later the machine is killed.
  public var timeout: Double?
  /// The timeout begins anew with each guest test.
  public var timeoutIsOfEachTest = false
  /// For how long the kernel is waited for after the timeout.
  var reportPatience: Double { traceEventCount == nil ? Self.reportSeconds : Self.traceSeconds }
  /// The TCP port of 127.0.0.1 on which QEMU waits for gdb before the first instruction.
  public var gdbPort: UInt16?
  /// Virtual time advances by one nanosecond per instruction, and two runs are the same.
  public var instructionClock = false
  /// Counts instructions, or `nil` for not counting.
  public var counting: Observation?
  /// What `counting` counts.
  public var counted = Counted.instructions
  /// Records what runs inside interrupts, or `nil` for not recording it.
  public var interruptTrace: Observation?
  /// Records which CPU touches which cache line, or `nil` for not recording it.
  public var conflictTrace: Observation?
  /// Counts how often each instruction is executed, or `nil` for not counting it.
  public var instructionProfile: Observation?

  /// A configuration with the defaults that the command's help names.
  public init(image: String, programName: String) {
    self.image = image
    self.programName = programName
  }
}

/// A name and a value in the application's environment.
public struct EnvironmentVariable: Equatable, Sendable {
  /// The name, not empty, without `=` and blanks.
  public var name: String
  /// The value, which may be empty.
  public var value: String

  public init(name: String, value: String) {
    self.name = name
    self.value = value
  }

  /// Parses `NAME=VALUE`.
  ///
  /// - Returns: `nil` when there is no `=`, or the name is empty or has bytes that cannot stand
  ///   on the kernel's command line.
  public init?(_ text: String) {
    guard let equals = text.firstIndex(of: "="), equals != text.startIndex else { return nil }
    let name = text[..<equals]
    guard name.utf8.allSatisfy({ $0 != UInt8(ascii: "%") && PercentEncoding.isUnreserved($0) })
    else { return nil }
    self.init(name: String(name), value: String(text[text.index(after: equals)...]))
  }
}
