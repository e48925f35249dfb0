import ArgumentParser
import Foundation
import ISRCheck
import VirtualMachines

/// `apus bench`: measures the kernel, and compares with what is known.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure what the kernel's operations cost.",
    discussion: """
      The figures are guest instructions of one operation (a pair is the operation and what \
      undoes it), counted by a plugin of QEMU under -icount: the same in every run, which the \
      command checks. The loop around an operation is measured too and subtracted. Conflicts are \
      cache lines that one of 4 CPUs writes and another reads or writes, although each works for \
      itself; another plugin records them, when caches have been filled. A figure that \
      has risen by more than 2 % above the one in Benchmarks/thresholds.json is an error.

      Examples:
        apus bench
        apus bench --only frame-pair --only malloc-64-pair
        apus bench --json before.json
        apus bench --compare before.json
        apus bench --only conflicts-heap --verbose
        apus bench --only frame-pair --profile
        apus bench --set-thresholds
        apus bench --linux
        apus bench --scaling --json scaling.json

      Exit status:
        0        all is measured, and nothing is above its threshold
        1        a figure has risen, two runs differ, or the benchmarks do not build or run
        64       a flag or argument is wrong
        125      a virtual machine could not be started, or a file is missing
        127      QEMU or Swift is missing
        129, 130, 143  the command was ended by HUP, INT (Ctrl-C), TERM
      """)

  @Option(
    help: .init("Measure only the benchmark of this name; repeatable.", valueName: "name"))
  var only: [String] = []

  @Flag(help: "Print the names of the benchmarks, and measure nothing.")
  var list = false

  @Option(
    help: .init(
      "Write the result as JSON to this file; without a file, in place of the table.",
      valueName: "file"), completion: .file())
  var json: String?

  @Option(
    help: .init("Write what would be printed to this file.", valueName: "file"),
    completion: .file())
  var output: String?

  @Option(
    help: .init(
      "Show the change since the result that --json wrote to this file.", valueName: "file"),
    completion: .file())
  var compare: String?

  @Option(
    help: .init(
      """
      The file of figures that may not rise; by default Benchmarks/thresholds.json of the kernel.
      """, valueName: "file"), completion: .file())
  var thresholds: String?

  @Option(
    help: .init(
      """
      Measure all with these page tables: shared or per-cpu; the thresholds say nothing then.
      """, valueName: "how"))
  var pageTables: PageTables?

  @Flag(help: "Take the figures as the new thresholds.")
  var setThresholds = false

  @Flag(help: "Show how many instructions of an operation belong to which line of the source.")
  var profile = false

  @Flag(
    help: """
      Measure Linux too: Debian's kernel with a program that does the same, in the same QEMU. The \
      kernel's package is fetched once (27 MB).
      """)
  var linux = false

  @Flag(
    help: """
      Measure other things: what operations cost and share on 1 to 16 CPUs, and beside how much; some \
      minutes. --only chooses of these then.
      """)
  var scaling = false

  @Flag(help: "Name each line that CPUs share, and the functions that touch it.")
  var verbose = false

  /// What stands for the missing file of `--json`.
  static let standardOutput = "-"

  /// Gives `--json` its default where no file follows. The parser has no options with an optional
  /// value.
  static func completingFile(of arguments: [String]) -> [String] {
    guard arguments.first == configuration.commandName else { return arguments }
    var words = arguments
    for index in words.indices.prefix(while: { words[$0] != "--" }) where words[index] == "--json" {
      let next = words.indices.contains(index + 1) ? words[index + 1] : standardOutput
      if next.hasPrefix("-"), next != standardOutput { words[index] = "--json=\(standardOutput)" }
      if index + 1 == words.count { words[index] = "--json=\(standardOutput)" }
    }
    return words
  }

  mutating func validate() throws {
    let files = [
      ("--json", json), ("--output", output), ("--compare", compare), ("--thresholds", thresholds),
    ]
    for (flag, file) in files where file?.isEmpty == true {
      throw ValidationError("\(flag): give a file")
    }
    if scaling { return try validateScaling() }
    let benchmarks: [Benchmark]
    do throws(BenchmarkCatalog.UnknownName) {
      benchmarks = try BenchmarkCatalog.benchmarks(named: only)
    } catch {
      throw ValidationError("--only: \(error)")
    }
    if pageTables != nil, setThresholds {
      throw ValidationError("--set-thresholds: thresholds are of each benchmark's own page tables")
    }
    if profile, !benchmarks.contains(where: { $0.method == .instructions }) {
      throw ValidationError("--profile: give a benchmark that counts an operation's instructions")
    }
  }

  mutating func run() throws {
    if scaling { return try measureScaling() }
    let benchmarks = try BenchmarkCatalog.benchmarks(named: only).map { $0.with(pageTables) }
    if list {
      for benchmark in benchmarks { StandardOutput.write(benchmark.name) }
      return
    }
    // From here on INT, TERM and HUP are heeded between two virtual machines too.
    let signals = try SignalReceiver()
    defer { signals.stop() }
    let kernel = try KernelLocation()
    try Self.requireBenchmarks(kernel)
    let path = self.thresholds ?? "\(kernel.root)/Benchmarks/thresholds.json"
    // What can be wrong is found before the minute that measuring takes.
    let former = try compare.map { try BenchmarkReport(contentsOf: $0) }
    let isNew = setThresholds && !FileManager.default.fileExists(atPath: path)
    var thresholds = isNew ? BenchmarkThresholds([:]) : try BenchmarkThresholds(contentsOf: path)
    for file in [json, output].compactMap({ $0 }) where file != Self.standardOutput {
      try Self.requireWritable(file)
    }
    let counter = try QEMUPlugin.instructionCounter.path()
    let recorder = try QEMUPlugin.conflictTrace.path()
    let profiler = profile ? try QEMUPlugin.instructionProfile.path() : nil
    try Self.requireQEMU()
    let directory = try TemporaryDirectory()
    defer { directory.remove() }

    let twin: LinuxTwin?
    do throws(LinuxTwin.Failure) { twin = linux ? try LinuxTwin(root: kernel.root) : nil } catch {
      throw CommandFailure(error)
    }
    let runner = BenchmarkRunner(
      benchmarks: benchmarks.contains(where: \.isInImage)
        ? try Self.image("Benchmarks", kernel) : "",
      helloWorld: benchmarks.allSatisfy(\.isInImage)
        ? "" : try Self.image("Examples/HelloWorld", kernel),
      counter: counter, recorder: recorder, directory: directory)
    var report = BenchmarkReport(facts: .init(root: kernel.root))
    try measure(benchmarks, by: runner, into: &report)
    if let twin { try measure(benchmarks, on: twin, runner, counter, directory, into: &report) }
    let profiles =
      try profiler.map { try profile(benchmarks, by: runner, plugin: $0, kernel) } ?? ""
    try write(report, comparedTo: former, followedBy: profiles)
    if let former, let difference = report.facts.difference(from: former.facts) {
      StandardError.note("what is compared was measured with another \(difference)")
    }
    if BenchmarkReport.Facts.isChecked {
      StandardError.note("the kernel was measured with its checks, as APUS_CHECKED asks for")
    }
    if setThresholds {
      thresholds.adopt(report.results)
      return try thresholds.write(to: path)
    }
    if pageTables == nil, !check(report, thresholds) { throw ExitCode(1) }
  }

  /// Requires that the kernel is a clone, with its benchmarks.
  static func requireBenchmarks(_ kernel: KernelLocation) throws {
    guard FileManager.default.fileExists(atPath: "\(kernel.root)/Benchmarks/Package.swift") else {
      throw CommandFailure(
        "the kernel in \(kernel.root) has no benchmarks; set APUS_HOME to a clone of Apus")
    }
  }

  static func requireQEMU() throws {
    guard QEMUCommandLine.version() != nil else {
      throw CommandFailure(VirtualMachineError.qemuMissing)
    }
  }

  /// The path of an image, which is built.
  static func image(_ package: String, _ kernel: KernelLocation) throws -> String {
    var build: PackageBuild
    do throws(PackageBuild.Failure) {
      build = try PackageBuild(package: "\(kernel.root)/\(package)", kernel: kernel)
    } catch {
      throw CommandFailure(error)
    }
    build.handlesSignals = true
    return try build.runShowingProgress().image
  }

  private func measure(
    _ benchmarks: [Benchmark], by runner: BenchmarkRunner, into report: inout BenchmarkReport
  ) throws {
    let line = StatusLine(isShown: true)
    defer { line.clear() }
    for (index, benchmark) in benchmarks.enumerated() {
      line.show("measuring \(index + 1) of \(benchmarks.count): \(benchmark.name)")
      do throws(BenchmarkRunner.Failure) {
        try runner.measure(benchmark, into: &report)
      } catch {
        line.clear()
        throw CommandFailure(error)
      }
    }
  }

  private func measure(
    _ benchmarks: [Benchmark], on twin: LinuxTwin, _ runner: BenchmarkRunner, _ counter: String,
    _ directory: TemporaryDirectory, into report: inout BenchmarkReport
  ) throws {
    let line = StatusLine(isShown: true)
    defer { line.clear() }
    let common = benchmarks.filter { $0.linux != nil }
    line.show("measuring Linux: \(common.count) benchmarks in one boot")
    do throws(LinuxTwin.Failure) {
      let figures = try twin.measure(
        common, .instructions, counter: counter, directory: directory)
      report.adopt(figures, of: common, onLinux: twin.package)
    } catch {
      line.clear()
      throw CommandFailure(error)
    }
    line.show("timing Linux: \(common.count) benchmarks in one boot")
    let times: [Double]
    do throws(LinuxTwin.Failure) {
      times = try twin.measure(common, .processorTime, counter: counter, directory: directory)
    } catch {
      line.clear()
      throw CommandFailure(error)
    }
    for (index, benchmark) in common.enumerated() {
      line.show("timing \(index + 1) of \(common.count): \(benchmark.name)")
      do throws(BenchmarkRunner.Failure) {
        let time = try runner.time(benchmark)
        report.adopt(.init(apus: time, linux: times[index]), of: benchmark)
      } catch {
        line.clear()
        throw CommandFailure(error)
      }
    }
  }

  /// The profiles of all benchmarks that have one, each after an empty line.
  private func profile(
    _ benchmarks: [Benchmark], by runner: BenchmarkRunner, plugin: String, _ kernel: KernelLocation
  ) throws -> String {
    let line = StatusLine(isShown: true)
    defer { line.clear() }
    let symbols = try ELFImage(path: runner.benchmarks).symbols
    let source = SourceLines(image: runner.benchmarks, root: SourceRoot(kernel.root))
    var text = ""
    for benchmark in benchmarks where benchmark.method == .instructions {
      line.show("profiling \(benchmark.name)")
      do throws(BenchmarkRunner.Failure) {
        let profile = try runner.profile(benchmark, plugin: plugin)
        let lines = (try? source.lines(of: Array(profile.counts.keys))) ?? [:]
        text += "\n"
        text += BenchmarkProfile(profile, lines: lines) { symbols.function(at: $0)?.name }
          .text(name: benchmark.name)
      } catch {
        line.clear()
        throw CommandFailure(error)
      }
    }
    return text
  }

  private func write(
    _ report: BenchmarkReport, comparedTo former: BenchmarkReport?, followedBy profiles: String
  ) throws {
    var table = report.table(comparedTo: former)
    if verbose { for conflicts in report.conflicts { table += "\n\(conflicts.text)" } }
    table += profiles
    if let json, json != Self.standardOutput { try Self.write(report.json(), to: json) }
    let text = json == Self.standardOutput ? try report.json() : table
    if let output { return try Self.write(text, to: output) }
    StandardOutput.write(String(text.dropLast()))
  }

  static func write(_ text: String, to path: String) throws {
    do { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) } catch {
      throw unwritable(path)
    }
  }

  static func requireWritable(_ path: String) throws {
    let files = FileManager.default
    let place =
      files.fileExists(atPath: path)
      ? path : URL(fileURLWithPath: path).deletingLastPathComponent().path
    var isDirectory: ObjCBool = false
    if !files.isWritableFile(atPath: place)
      || (files.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue)
    {
      throw unwritable(path)
    }
  }

  private static func unwritable(_ path: String) -> CommandFailure {
    CommandFailure("cannot write \(path); give a file in a directory that exists")
  }

  /// Says which figures are not what the thresholds know.
  ///
  /// - Returns: whether none of them is higher.
  private func check(_ report: BenchmarkReport, _ thresholds: BenchmarkThresholds) -> Bool {
    var isKept = true
    for result in report.results {
      let value = BenchmarkReport.text(result.value)
      switch thresholds.verdict(on: result) {
      case .kept: break
      case .rose(let known):
        isKept = false
        StandardError.complain(
          "\(result.name) rose from \(BenchmarkReport.text(known)) to \(value) \(result.unit) ("
            + "\(BenchmarkReport.change(from: known, to: result.value))); if it must be so, "
            + "enter it by --set-thresholds")
      case .fell(let known):
        StandardError.note(
          "\(result.name) fell from \(BenchmarkReport.text(known)) to \(value) \(result.unit); "
            + "enter it by --set-thresholds")
      case .unknown:
        isKept = false
        StandardError.complain(
          "\(result.name) has no threshold; enter it by --set-thresholds")
      }
    }
    return isKept
  }
}

extension CommandFailure {
  init(_ error: VirtualMachineError) {
    self.init(error.description, status: error.exitStatus)
  }

  init(_ failure: BenchmarkRunner.Failure) {
    switch failure {
    case .virtualMachine(let error): self.init(error)
    case .interrupted(let signal): self.init("", status: 128 + signal)
    case .notRepeatable, .failed: self.init(failure.description, status: 1)
    }
  }

  init(_ failure: LinuxTwin.Failure) {
    switch failure {
    case .interrupted(let signal): self.init("", status: 128 + signal)
    case .notMade, .failed: self.init(failure.description, status: 1)
    }
  }
}
