import ArgumentParser
import Foundation
import VirtualMachines

/// `apus test`: boots a package's test image in many virtual machines and reports every test.
struct TestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test",
    abstract: "Run a package's guest tests on several numbers of CPUs and machines.",
    discussion: """
      The package's image lists its tests with the library GuestTesting. A test that panics, \
      hangs or resets the guest has failed and is shown with its log; a test that must panic runs \
      in a virtual machine of its own.

      Examples:
        apus test
        apus test GuestTests --cpus 1,2,16 --machine microvm,q35
        apus test GuestTests --filter Boot/ --verbose
        apus test GuestTests --cpus 4 --interrupt-trace traces

      Exit status:
        0        all tests passed
        1        a test failed, none ran, or the package does not build
        64       a flag or argument is wrong
        125      a virtual machine could not be started
        127      QEMU is missing
        129, 130, 143  the command was ended by HUP, INT (Ctrl-C), TERM
      """)

  @OptionGroup(title: "Build options, for a package")
  var build: BuildOptions

  @Option(help: .init("Numbers of CPUs, separated by commas.", valueName: "n,…"))
  var cpus = "1,2,4,8"

  @Option(
    help: .init(
      "Machines, separated by commas: \(MachineType.allCases.map(\.rawValue).joined(separator: ", ")).",
      valueName: "type,…"))
  var machine = MachineType.microvm.rawValue

  @Option(
    help: .init(
      "Page tables, separated by commas: \(PageTables.allCases.map(\.rawValue).joined(separator: ", ")).",
      valueName: "how,…"))
  var pageTables = PageTables.shared.rawValue

  @Option(help: .init("The memory of each virtual machine.", valueName: "size"))
  var memory = VirtualMachineConfiguration.defaultMemory

  @Option(help: .init("What executes the guest: auto, kvm or tcg.", valueName: "how"))
  var accel = AcceleratorChoice.auto

  @Option(help: .init("Run only tests whose names contain this.", valueName: "text"))
  var filter: String?

  @Option(
    help: .init(
      "Stop a virtual machine when a test takes longer than this, or the boot before it.",
      valueName: "seconds"))
  var timeout = 60.0

  @Option(
    help: .init(
      """
      Write to files in this directory, one per virtual machine, which instructions ran inside \
      interrupts: IMAGE-MACHINE-CPUS.trace, and a number more for a test that must panic.
      """, valueName: "dir"),
    completion: .directory)
  var interruptTrace: String?

  @Flag(help: "Show all logs, and what SwiftPM writes.")
  var verbose = false

  @Argument(help: "The package's directory, or its image.", completion: .directory)
  var package = "."

  mutating func validate() throws {
    guard timeout > 0 && timeout < 1e6 else {
      throw ValidationError("--timeout \(timeout): give a number of seconds above 0")
    }
    if filter?.isEmpty == true { throw ValidationError("--filter: give a part of a test's name") }
    if interruptTrace?.isEmpty == true {
      throw ValidationError("--interrupt-trace: give a directory")
    }
    if accel == .kvm, interruptTrace != nil {
      throw ValidationError(
        "--interrupt-trace traces interrupts, which KVM cannot: use --accel tcg")
    }
    _ = try matrix()
  }

  mutating func run() throws {
    // From here on INT, TERM and HUP are heeded between two virtual machines too.
    let signals = try SignalReceiver()
    defer { signals.stop() }
    let target = try ImageTarget(package, options: build, building: true, verbose: verbose)
    let runner = GuestTestRunner(
      base: base(target), traces: try traces(target), isVerbose: verbose)
    for configuration in try matrix().configurations {
      try runner.run(configuration)
    }
    if runner.report.isEmpty {
      StandardError.complain(
        filter.map { "no test's name contains \"\($0)\"" } ?? "the image has no tests")
    }
    StandardOutput.write(runner.report.summary)
    throw ExitCode(runner.report.exitStatus)
  }

  private func matrix() throws -> GuestTestMatrix {
    do throws(GuestTestMatrixError) {
      return try GuestTestMatrix(cpus: cpus, machines: machine, pageTables: pageTables)
    } catch {
      throw ValidationError(error.description)
    }
  }

  /// The files for traces of interrupts; their directory is made.
  private func traces(_ target: ImageTarget) throws -> InterruptTraceFiles? {
    guard let interruptTrace else { return nil }
    let plugin = try QEMUPlugin.interruptTrace.path()
    do {
      try FileManager.default.createDirectory(
        atPath: interruptTrace, withIntermediateDirectories: true)
    } catch {
      throw CommandFailure(
        "--interrupt-trace: cannot make the directory \(interruptTrace); give another one")
    }
    return InterruptTraceFiles(
      directory: interruptTrace, program: target.programName, plugin: plugin)
  }

  /// What all virtual machines have in common.
  private func base(_ target: ImageTarget) -> VirtualMachineConfiguration {
    var configuration = VirtualMachineConfiguration(
      image: target.path, programName: target.programName)
    configuration.memory = memory
    configuration.accelerator =
      switch accel {
      case .kvm: .kvm
      case .tcg: .tcg
      case .auto: interruptTrace != nil ? .tcg : AcceleratorProbe.choose().accelerator
      }
    configuration.timeout = timeout
    configuration.timeoutIsOfEachTest = true
    if let filter {
      configuration.environment.append(.init(name: "APUS_TEST_FILTER", value: filter))
    }
    return configuration
  }
}

/// The names of the traces that the virtual machines leave.
private struct InterruptTraceFiles {
  let directory: String
  let program: String
  let plugin: String

  /// The trace of one virtual machine; `number` is 0 for the one that runs the suite.
  func observation(
    _ place: GuestTestConfiguration, number: Int
  ) -> VirtualMachineConfiguration.Observation {
    let suffix = number == 0 ? "" : "-\(number)"
    let tables = place.pageTables == .shared ? "" : "-\(place.pageTables.rawValue)"
    let name = "\(program)-\(place.machine.rawValue)-\(place.cpus)\(tables)\(suffix).trace"
    return .init(plugin: plugin, output: "\(directory)/\(name)")
  }
}

/// Boots the test image and prints what becomes of its tests while they run.
private final class GuestTestRunner {
  private(set) var report = GuestTestReport(usesColor: StandardOutput.hasColours)

  private let base: VirtualMachineConfiguration
  private let traces: InterruptTraceFiles?
  private let isVerbose: Bool
  private let start = SuspendingClock.now

  init(base: VirtualMachineConfiguration, traces: InterruptTraceFiles?, isVerbose: Bool) {
    self.base = base
    self.traces = traces
    self.isVerbose = isVerbose
  }

  /// Runs all tests in one configuration, and then those that end their virtual machine.
  func run(_ place: GuestTestConfiguration) throws {
    let (run, reason) = try boot(place, 0, base.environment) { self.print($0, in: place) }
    var finished = run
    print(finished.finish(reason, at: now), in: place)
    for (index, test) in run.deathTests.enumerated() {
      let variable = EnvironmentVariable(name: "APUS_TEST", value: test.name)
      var (run, reason) = try boot(place, index + 1, [variable]) { _ in }
      print([run.finish(test, reason, at: now)], in: place)
    }
  }

  /// Runs the image once and hands over the tests that end meanwhile; `number` counts the runs in
  /// one configuration.
  private func boot(
    _ place: GuestTestConfiguration, _ number: Int, _ environment: [EnvironmentVariable],
    onResults: @escaping ([GuestTestResult]) -> Void
  ) throws -> (GuestTestRun, Outcome.Reason) {
    var configuration = base
    configuration.machine = place.machine
    configuration.cpus = place.cpus
    configuration.pageTables = place.pageTables
    configuration.environment = environment
    configuration.interruptTrace = traces?.observation(place, number: number)
    var run = GuestTestRun()
    var output: [UInt8] = []
    let receiveLine = { [isVerbose] (line: String) in
      run.receive(logLine: line)
      if isVerbose { StandardOutput.write("    | \(line)") }
    }
    let events = VirtualMachine.Events(
      onOutput: { bytes in
        output += bytes
        while let end = output.firstIndex(of: UInt8(ascii: "\n")) {
          receiveLine(String(decoding: output[..<end], as: UTF8.self))
          output.removeSubrange(...end)
        }
      },
      onLog: receiveLine,
      onRecord: { onResults(run.receive($0, at: self.now)) })
    let outcome: Outcome
    do throws(VirtualMachineError) {
      outcome = try VirtualMachine.run(configuration, events: events, handlingSignals: true)
    } catch {
      throw CommandFailure(error.description, status: error.exitStatus)
    }
    if !output.isEmpty { receiveLine(String(decoding: output, as: UTF8.self)) }
    if case .interrupted = outcome.reason { throw ExitCode(outcome.exitStatus) }
    return (run, outcome.reason)
  }

  private func print(_ results: [GuestTestResult], in place: GuestTestConfiguration) {
    for result in results {
      for line in report.add(result, in: place) { StandardOutput.write(line) }
    }
  }

  /// Seconds since the first virtual machine.
  private var now: Double { start.duration(to: .now) / .seconds(1) }
}
