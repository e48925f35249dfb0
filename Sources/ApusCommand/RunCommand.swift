import ArgumentParser
import Foundation
import VirtualMachines

/// `apus run`: boots a package or an image and ends with the application's status.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Boot an application in a virtual machine.",
    discussion: """
      The application's output goes to standard output, unchanged; the kernel's log and the \
      application's standard error go to standard error.

      Examples:
        apus run hello
        apus run --cpus 8 --memory 512M hello -- --verbose input.txt
        apus run --rootfs books --env LANG=C --timeout 10 Examples/WordCount
        apus run --gdb hello
        apus run --dry-run hello
        apus run --interrupt-trace hello.trace hello

      Exit status:
        0...255  the application's own, unless:
        1        the package does not build
        64       a flag or argument is wrong
        124      the time given by --timeout was over
        125      the virtual machine could not be started, the guest reset itself, or its output
                 could not be written
        127      QEMU is missing
        134      the kernel panicked
        137      the guest ran out of memory
        129, 130, 143  the command was ended by HUP, INT (Ctrl-C), TERM
      """)

  @OptionGroup(title: "Virtual machine options")
  var machine: VirtualMachineOptions

  @OptionGroup(title: "Build options, for a package")
  var build: BuildOptions

  @Option(
    help: .init("A directory whose contents the application sees as its files.", valueName: "dir"),
    completion: .directory)
  var rootfs: String?

  @Option(
    name: .customLong("env"), parsing: .singleValue,
    help: .init(
      "A variable of the application's environment; repeatable.", valueName: "name=value"),
    transform: Self.environmentVariable)
  var environment: [EnvironmentVariable] = []

  @Flag(help: "Show nothing but errors beside the application's output.")
  var quiet = false

  @Option(
    help: .init(
      "Stop the virtual machine this long after its start, and show where every CPU was.",
      valueName: "seconds"))
  var timeout: Double?

  @Option(
    help: .init(
      """
      Wait for gdb on this port of 127.0.0.1 before the first instruction; without a port on \
      \(defaultPort).
      """, valueName: "port"))
  var gdb: UInt16?

  @Flag(help: "Print QEMU's command line, and start nothing.")
  var dryRun = false

  @Flag(help: "Print one JSON object with all that is known about the run; counts instructions.")
  var json = false

  @Flag(
    name: .customLong("icount"),
    help: "Let virtual time follow the instructions, so that two runs are the same.")
  var instructionClock = false

  @Option(
    help: .init(
      "Write to this file which instructions ran inside interrupts, and which came.",
      valueName: "file"),
    completion: .file())
  var interruptTrace: String?

  @Option(
    help: .init(
      """
      Write to this file what the CPUs did: threads, wake-ups, interrupts, page faults, waits for \
      locks. Open it at https://ui.perfetto.dev.
      """, valueName: "file"),
    completion: .file())
  var trace: String?

  @Flag(
    help: """
      Show at the end how often each kind of lock was taken, waited for and held; implies --checked.
      """)
  var lockStats = false

  @Flag(help: "Show at the end what each CPU and thread did.")
  var stats = false

  @Flag(help: "Let threads run until they wait, end or yield: none is preempted.")
  var cooperative = false

  @Flag(help: "Say what the command decides and does.")
  var verbose = false

  @Argument(help: "A package's directory, or an image.", completion: .file())
  var image: String

  @Argument(
    parsing: .postTerminator,
    help: .init("Arguments of the application.", valueName: "argument"))
  var arguments: [String] = []

  private static let defaultPort = 1234

  /// Gives `--gdb` its default port where no number follows. The parser's own options with an
  /// optional value take a wrong one for none.
  static func completingPort(of arguments: some Sequence<String>) -> [String] {
    var words = Array(arguments)
    for index in words.indices.prefix(while: { words[$0] != "--" }) where words[index] == "--gdb" {
      let next = words.indices.contains(index + 1) ? words[index + 1] : ""
      if next.isEmpty || !next.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
        words[index] = "--gdb=\(defaultPort)"
      }
    }
    return words
  }

  mutating func validate() throws {
    if let timeout, !(timeout > 0 && timeout < 1e6) {
      throw ValidationError("--timeout \(timeout): give a number of seconds above 0")
    }
    if image.isEmpty { throw ValidationError("the image's path is empty") }
    if rootfs?.isEmpty == true { throw ValidationError("--rootfs: give a directory") }
    if gdb == 0 { throw ValidationError("--gdb 0: give a port from 1 to 65535") }
    if interruptTrace?.isEmpty == true { throw ValidationError("--interrupt-trace: give a file") }
    if trace?.isEmpty == true { throw ValidationError("--trace: give a file") }
    if machine.accel == .kvm, let (flag, purpose) = onlyTCG {
      throw ValidationError("\(flag) \(purpose), which KVM cannot: use --accel tcg")
    }
    guard arguments.allSatisfy({ !$0.utf8.contains(0) }) else {
      throw ValidationError("an argument has a zero byte")
    }
  }

  /// The flag that needs TCG and what it does, if one is given.
  private var onlyTCG: (flag: String, purpose: String)? {
    if instructionClock { return ("--icount", "counts instructions") }
    if json { return ("--json", "counts instructions") }
    if interruptTrace != nil { return ("--interrupt-trace", "traces interrupts") }
    return nil
  }

  private static func environmentVariable(_ text: String) throws -> EnvironmentVariable {
    guard let variable = EnvironmentVariable(text) else {
      throw ValidationError("write NAME=VALUE, the name of letters, digits and '_'")
    }
    return variable
  }

  mutating func run() throws {
    // From here on INT, TERM and HUP are heeded where everything can be cleaned up.
    let signals = try SignalReceiver()
    defer { signals.stop() }
    if lockStats { build.checked = true }
    let target = try ImageTarget(
      image, options: build, building: !dryRun, verbose: verbose)
    let needsFiles = !dryRun && (json || rootfs != nil)
    let directory = needsFiles ? try TemporaryDirectory() : nil
    defer { directory?.remove() }

    let choice = machine.accelerator(onlyTCG: onlyTCG?.purpose)
    if verbose { StandardError.note("accelerator \(choice.accelerator): \(choice.reason)") }
    var configuration = self.configuration(target, choice.accelerator)
    if json {
      configuration.counting = .init(
        plugin: try QEMUPlugin.instructionCounter.path(),
        output: directory?.path("counts") ?? "instruction-counts")
    }
    if let interruptTrace {
      configuration.interruptTrace = .init(
        plugin: try QEMUPlugin.interruptTrace.path(), output: interruptTrace)
    }
    if dryRun { return try show(configuration) }

    if let rootfs, let directory {
      configuration.initrd = try pack(rootfs, in: directory)
    }
    if verbose {
      let image = try? ELFImage(path: configuration.image)
      StandardError.note(QEMUCommandLine(configuration, image: image).shellCommand)
    }
    if let gdb {
      let file = ShellQuoting.quote(configuration.image)
      StandardError.note(
        "waiting for gdb; enter: gdb \(file) -ex 'target remote 127.0.0.1:\(gdb)'")
    }
    let run = RunOutput(json: json)
    let outcome: Outcome
    do throws(VirtualMachineError) {
      outcome = try VirtualMachine.run(configuration, events: run.events, handlingSignals: true)
    } catch {
      throw CommandFailure(error.description, status: error.exitStatus)
    }
    if verbose, !outcome.qemuMessages.isEmpty { StandardError.note(outcome.qemuMessages) }
    if json {
      try RunReport(configuration, choice, outcome, run).print()
    }
    showFailures(outcome)
    if lockStats && !json { showLocks(outcome) }
    if stats && !json { showStatistics(outcome) }
    if let trace { try write(outcome.trace, to: trace, name: target.programName) }
    if let line = explanation(outcome) { StandardError.complain(line) }
    if let reason = run.failure { throw CommandFailure("cannot write the output: \(reason)") }
    throw ExitCode(outcome.exitStatus)
  }

  /// Of an image with guest tests, what did not hold: `apus test` shows it otherwise.
  private func showFailures(_ outcome: Outcome) {
    for case .test(.fail(let name, let message)) in outcome.records {
      StandardError.write("FAILED  \(name): \(message)\n")
    }
  }

  private func showLocks(_ outcome: Outcome) {
    if outcome.locks.isEmpty {
      StandardError.note("no figures of locks: the image is not checked, or did not end by itself")
    } else {
      StandardError.write("\(LockRecord.table(outcome.locks))\n(times in microseconds)\n")
    }
  }

  private func showStatistics(_ outcome: Outcome) {
    if outcome.cpuStatistics.isEmpty {
      return StandardError.note("no statistics: the machine did not come to an end of its own")
    }
    StandardError.write(
      "\(StatisticsTable.text(outcome.cpuStatistics, outcome.threadStatistics))\n")
  }

  /// How many events of each CPU are kept, the last ones: 16,384, or as many as fit into an eighth of the memory.
  private var traceEventCount: Int {
    let room = machine.memory.bytes / 8 / 32 / UInt64(max(machine.cpus, 1))
    return min(1 << 14, max(1 << 6, Int(truncatingIfNeeded: room)))
  }

  private func write(_ trace: RecordedTrace, to path: String, name: String) throws {
    if trace.records.isEmpty {
      return StandardError.note("no trace: the machine did not come to an end of its own")
    }
    do {
      try ChromeTrace.json(trace, name: name).write(
        toFile: path, atomically: true, encoding: .utf8)
    } catch {
      throw CommandFailure("cannot write the trace \(path): \(error.localizedDescription)")
    }
    let lost = trace.lost.values.reduce(0, +)
    if lost > 0 {
      StandardError.note(
        "\(path) has the last \(trace.records.count) events; \(lost) before them were not kept")
    }
  }

  /// The virtual machine that the flags describe, without its files.
  private func configuration(
    _ target: ImageTarget, _ accelerator: Accelerator
  ) -> VirtualMachineConfiguration {
    var configuration = VirtualMachineConfiguration(
      image: target.path, programName: target.programName)
    configuration.cpus = machine.cpus
    configuration.memory = machine.memory
    configuration.machine = machine.machine
    configuration.pageTables = machine.pageTables
    configuration.accelerator = accelerator
    configuration.arguments = arguments
    configuration.environment = environment
    configuration.logLevel = quiet ? .error : .info
    configuration.timeout = timeout
    configuration.gdbPort = gdb
    configuration.instructionClock = instructionClock
    configuration.wantsStatistics = stats
    configuration.isCooperative = cooperative
    configuration.traceEventCount = trace == nil ? nil : traceEventCount
    return configuration
  }

  private func pack(_ rootfs: String, in directory: TemporaryDirectory) throws -> String {
    do throws(RootFileSystemError) {
      let archive = try RootFileSystem.pack(directory: rootfs, to: directory.path("rootfs.cpio"))
      for path in archive.skipped {
        StandardError.note("\(path) is neither file, directory nor link: left out")
      }
      return archive.path
    } catch {
      throw CommandFailure("--rootfs: \(error)")
    }
  }

  /// Prints QEMU's command line as it can be entered in a shell.
  private func show(_ configuration: VirtualMachineConfiguration) throws {
    var configuration = configuration
    if let rootfs {
      var isDirectory: ObjCBool = false
      guard FileManager.default.fileExists(atPath: rootfs, isDirectory: &isDirectory),
        isDirectory.boolValue
      else { throw CommandFailure("--rootfs: \(rootfs) is no directory") }
      let archive = "\(URL(fileURLWithPath: rootfs).standardizedFileURL.path).cpio"
      configuration.initrd = archive
      let words = [rootfs, archive].map(ShellQuoting.quote)
      StandardError.note(
        "make the archive first: (cd \(words[0]) && find . | cpio -o -H newc) > \(words[1])")
    }
    let image = try? ELFImage(path: configuration.image)
    print(QEMUCommandLine(configuration, image: image).shellCommand)
  }

  /// What happened and what to do next, when the application did not end by itself.
  private func explanation(_ outcome: Outcome) -> String? {
    switch outcome.reason {
    case .exited, .interrupted: nil
    case .panicked:
      "the kernel panicked; its report is in the log, and --gdb lets a debugger watch"
    case .outOfMemory:
      "the guest ran out of memory; give it more than \(machine.memory) with --memory"
    case .timedOut:
      "no end after \(Self.seconds(timeout ?? 0)) s: "
        + (outcome.hasReport
          ? "stopped, the log says where every CPU was" : "killed, the guest gave no report")
        + "; --timeout raises the bound"
    case .reset:
      "the guest reset itself without a report; --gdb lets a debugger watch"
    case .qemuFailed(let message) where message.contains("guest memory"):
      "QEMU failed: \(message); give less than \(machine.memory) with --memory"
    case .qemuFailed(let message):
      "QEMU failed: \(message)"
    }
  }

  private static func seconds(_ value: Double) -> String {
    value == value.rounded() ? String(Int(value)) : String(value)
  }
}
