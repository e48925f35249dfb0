import ELF

/// The command lines of QEMU and of the kernel that a configuration amounts to.
public struct QEMUCommandLine {
  /// What QEMU is told on its monitor to interrupt the boot CPU by an NMI, whatever it does (QEMU
  /// QMP Reference Manual; a conversation begins with the first of the two).
  static let interruption = Array(
    (#"{"execute":"qmp_capabilities"}{"execute":"inject-nmi"}"# + "\n").utf8)

  /// The name under which QEMU is looked for on the PATH.
  public static let program = "qemu-system-x86_64"

  /// Where QEMU writes the guest's two channels.
  public struct Channels: Equatable, Sendable {
    /// The path for COM1: the application's output.
    public var console: String
    /// The descriptor of a socket for COM1 instead: the application's output and input.
    public var consoleSocket: Int?
    /// The path for the debug port: the log.
    public var log: String
    /// The descriptor of a socket on which QEMU takes commands (QMP), or `nil` for none.
    public var monitor: Int?

    /// The channels as a user has them who enters the command line in a shell.
    public static let terminal = Channels(console: "/dev/stdout", log: "/dev/stderr")
    /// The channels as `VirtualMachine.run` has them: QEMU's own messages come on descriptor 2.
    static let pipes = Channels(console: "/dev/fd/1", log: "/dev/fd/3")
  }

  /// The configuration that is translated.
  public var configuration: VirtualMachineConfiguration

  /// Where the image has its marks, for counting.
  public struct Marks: Equatable, Sendable {
    /// The address of the first instruction, mark 0.
    public var entry: UInt64
    /// The address at which the other marks stand in a row, a byte each.
    public var marks: UInt64

    public init(entry: UInt64, marks: UInt64) {
      self.entry = entry
      self.marks = marks
    }

    /// The marks of a file with these symbols, or `nil` when it has none.
    init?(_ symbols: SymbolTable) {
      guard let entry = symbols.address(of: "apus_pvh_entry"),
        let marks = symbols.address(of: "apus_marks")
      else { return nil }
      self.entry = entry
      self.marks = marks
    }
  }

  /// Where the image has the stubs through which the CPU enters interrupts.
  public struct VectorStubs: Equatable, Sendable {
    /// The address of vector 0's stub.
    public var address: UInt64
    /// The bytes that the stubs of all 256 vectors take, at equal distances; there may be no
    /// padding after the last one.
    public var size: UInt64
    /// The addresses of the functions that change from one thread's stack to another's, when it gives way
    /// and when an interrupt takes it off its CPU: there a CPU leaves an interrupt, too. 0 where there are
    /// no threads.
    public var stackSwitch: UInt64 = 0
    public var stackPreemption: UInt64 = 0

    public init(address: UInt64, size: UInt64) {
      self.address = address
      self.size = size
    }

    /// The stubs of an image, or `nil` when it has none.
    public init?(_ image: ELFImage) {
      guard let stubs = image.symbols.function(named: "apus_trap_stubs"), stubs.size > 0
      else { return nil }
      (address, size) = stubs
      stackSwitch = image.symbols.address(of: "apus_switch_stack") ?? 0
      stackPreemption = image.symbols.address(of: "apus_preempt_stack") ?? 0
    }
  }

  /// Where the image has its marks; needed for counting.
  public var marks: Marks?
  /// Where the image has its vectors' stubs; needed for a trace of interrupts.
  public var vectorStubs: VectorStubs?

  /// A command line; places in the image that plugins need to know are taken from `image`.
  public init(_ configuration: VirtualMachineConfiguration, image: ELFImage? = nil) {
    self.configuration = configuration
    marks = image.flatMap { Marks($0.symbols) }
    vectorStubs = image.flatMap(VectorStubs.init)
  }

  /// QEMU's arguments after its name.
  public func arguments(channels: Channels = .terminal) -> [String] {
    let c = configuration
    var words = machine + ["-kernel", c.image]
    if let initrd = c.initrd { words += ["-initrd", initrd] }
    words += ["-append", kernelCommandLine]
    if let socket = channels.consoleSocket {
      words += ["-chardev", "socket,id=console,fd=\(socket)"]
    } else {
      words += ["-chardev", "file,id=console,path=\(Self.escapingCommas(channels.console))"]
    }
    words += ["-serial", "chardev:console"]
    words += ["-chardev", "file,id=log,path=\(Self.escapingCommas(channels.log))"]
    words += ["-device", "isa-debugcon,iobase=0xe9,readback=0xe9,chardev=log"]
    words += ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    if let monitor = channels.monitor {
      words += ["-chardev", "socket,id=monitor,fd=\(monitor)"]
      words += ["-mon", "chardev=monitor,mode=control"]
    }
    if let port = c.gdbPort { words += ["-S", "-gdb", "tcp:127.0.0.1:\(port)"] }
    words += counting
    if let trace = c.interruptTrace, let vectorStubs {
      words += plugin(
        trace,
        [
          ("stubs", vectorStubs.address), ("size", vectorStubs.size),
          ("switch", vectorStubs.stackSwitch), ("preempt", vectorStubs.stackPreemption),
        ])
    }
    if let trace = c.conflictTrace, let marks {
      words += plugin(trace, [("marks", marks.marks)])
    }
    if let profile = c.instructionProfile, let marks {
      words += plugin(profile, [("marks", marks.marks), ("phase", InstructionProfile.phase)])
    }
    return words
  }

  /// The arguments of a machine whose kernel is another one than the image: it has a console, and is
  /// counted by the image's marks.
  func arguments(kernel: String, initrd: String, parameters: [String]) -> [String] {
    machine + [
      "-kernel", kernel, "-initrd", initrd, "-append", parameters.joined(separator: " "),
      "-serial", "stdio",
    ] + counting
  }

  /// The machine, with nothing in it.
  private var machine: [String] {
    let c = configuration
    return ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
      + ["-M", c.machine.qemuMachine, "-cpu", c.accelerator.cpuModel]
      + ["-smp", String(c.cpus), "-m", c.memory.description] + accelerator
  }

  private var counting: [String] {
    guard let counting = configuration.counting, let marks else { return [] }
    let counted = configuration.counted
    return plugin(
      counting,
      [("entry", marks.entry), ("marks", marks.marks)]
        + (counted == .instructions ? [] : [("clock", counted.rawValue)]))
  }

  private func plugin(
    _ observation: VirtualMachineConfiguration.Observation, _ options: [(String, UInt64)]
  ) -> [String] {
    let words =
      [Self.escapingCommas(observation.plugin)]
      + options.map { "\($0.0)=0x\(String($0.1, radix: 16))" }
      + ["out=\(Self.escapingCommas(observation.output))"]
    return ["-plugin", words.joined(separator: ",")]
  }

  /// The kernel's command line: keys, values and arguments without blanks in them.
  public var kernelCommandLine: String {
    let c = configuration
    var words = ["program=\(PercentEncoding.encode(c.programName))", "log=\(c.logLevel.rawValue)"]
    if let count = c.traceEventCount { words.append("trace=\(count)") }
    if c.wantsStatistics { words.append("stats=1") }
    if c.isCooperative { words.append("threads=cooperative") }
    if c.pageTables != .shared { words.append("vm.scheme=\(c.pageTables.rawValue)") }
    for variable in c.environment {
      words.append("env.\(variable.name)=\(PercentEncoding.encode(variable.value))")
    }
    if !c.arguments.isEmpty { words += ["--"] + c.arguments.map(PercentEncoding.encode) }
    return words.joined(separator: " ")
  }

  /// The command line as one that can be entered in a POSIX shell.
  public var shellCommand: String {
    ([Self.program] + arguments()).map(ShellQuoting.quote).joined(separator: " ")
  }

  /// What QEMU says about its version, or `nil` when there is none.
  public static func version() -> String? {
    guard let path = File.program(program) else { return nil }
    let process = ChildProcess(path: path, arguments: ["--version"])
    var words: [UInt8] = []
    let end = try? process.run { descriptor, bytes in
      if descriptor == 1 { words.append(contentsOf: bytes) }
    }
    guard end == .exited(status: 0) else { return nil }
    return String(decoding: words, as: UTF8.self).split(separator: "\n").first.map(String.init)
  }

  /// How the guest is executed.
  var accelerator: [String] {
    switch configuration.accelerator {
    case .kvm: ["-accel", "kvm"]
    case .tcg where configuration.instructionClock:
      // QEMU runs all CPUs in turn on one thread then, which makes two runs the same.
      ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]
    case .tcg: ["-accel", "tcg,thread=multi"]
    }
  }

  /// QEMU's option parser takes a doubled comma as a comma.
  private static func escapingCommas(_ text: String) -> String {
    text.split(separator: ",", omittingEmptySubsequences: false).joined(separator: ",,")
  }
}

/// Quoting of words for a POSIX shell.
public enum ShellQuoting {
  /// The word, in quotes when it has characters that a shell treats specially.
  public static func quote(_ word: String) -> String {
    let plain = word.utf8.allSatisfy { PercentEncoding.isUnreserved($0) || $0 == UInt8(ascii: "%") }
    if plain && !word.isEmpty { return word }
    let parts = word.split(separator: "'", omittingEmptySubsequences: false)
    return "'" + parts.joined(separator: #"'\''"#) + "'"
  }
}
