import ArgumentParser
import Foundation
import ISRCheck
import VirtualMachines

/// `apus conflicts`: which operations of several CPUs meet in a line of memory.
struct ConflictsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conflicts",
    abstract: "Show which operations of the kernel share cache lines when CPUs do them at once.",
    discussion: """
      Each pair of operations is done by CPUs at the same time, while a plugin of QEMU records which \
      line of memory each instruction touches. A cell of the table is the number of lines that one \
      CPU writes and another reads or writes; 0 is wanted wherever the order of the two makes no \
      difference, the other numbers are in brackets. Each line is then named, with the code that \
      touches it. Everything runs under -icount, and twice: the results are always the same.

      Examples:
        apus conflicts
        apus conflicts --cpus 4 --page-tables per-cpu --json matrix.json
        apus conflicts --operations fault,unmap --verbose

      Exit status:
        0        all is recorded
        1        two runs differ, or the image does not build or run
        64       a flag or argument is wrong
        125      a virtual machine could not be started, or a file is missing
        127      QEMU or Swift is missing
        129, 130, 143  the command was ended by HUP, INT (Ctrl-C), TERM
      """)

  @Option(help: .init("Numbers of CPUs, each from 2 to 8.", valueName: "n,..."))
  var cpus = "2,4"

  @Option(help: .init("How page tables are divided: shared, per-cpu.", valueName: "how,..."))
  var pageTables = "shared,per-cpu"

  @Option(help: .init("Only pairs of these operations.", valueName: "name,..."))
  var operations = ConflictMatrix.allOperations.joined(separator: ",")

  @Flag(help: "Name the lines of all pairs, those too where the order matters.")
  var verbose = false

  @Option(
    help: .init(
      "Write the result as JSON to this file; - is standard output, in place of the tables.",
      valueName: "file"), completion: .file())
  var json: String?

  private static func words(_ text: String) -> [String] {
    text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  }

  private var cpuCounts: [Int] { Self.words(cpus).compactMap(Int.init) }
  private var schemes: [PageTables] {
    Self.words(pageTables).compactMap(PageTables.init(rawValue:))
  }

  mutating func validate() throws {
    if Self.words(cpus).contains(where: { !(2...8).contains(Int($0) ?? 0) }) {
      throw ValidationError("--cpus: give numbers from 2 to 8, with commas between them")
    }
    if Self.words(pageTables).contains(where: { PageTables(rawValue: $0) == nil }) {
      throw ValidationError("--page-tables: give shared, per-cpu, or both with a comma")
    }
    for name in Self.words(operations) where !ConflictMatrix.allOperations.contains(name) {
      throw ValidationError(
        "--operations: there is no '\(name)'; there are: "
          + ConflictMatrix.allOperations.joined(separator: ", "))
    }
    if json?.isEmpty == true { throw ValidationError("--json: give a file") }
  }

  mutating func run() throws {
    let signals = try SignalReceiver()
    defer { signals.stop() }
    let kernel = try KernelLocation()
    try BenchCommand.requireBenchmarks(kernel)
    if let json, json != "-" { try BenchCommand.requireWritable(json) }
    let recorder = try QEMUPlugin.conflictTrace.path()
    guard QEMUCommandLine.version() != nil else {
      throw CommandFailure(VirtualMachineError.qemuMissing)
    }
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let runner = BenchmarkRunner(
      benchmarks: try BenchCommand.image("Benchmarks", kernel), helloWorld: "", counter: "",
      recorder: recorder, directory: directory)
    var matrix = ConflictMatrix(
      facts: .init(root: kernel.root), operations: Self.words(operations))
    let boots = try record(matrix.operations, by: runner)
    let symbols = try ELFImage(path: runner.benchmarks).symbols
    let source = SourceLines(image: runner.benchmarks, root: SourceRoot(kernel.root))
    let instructions = boots.reduce(into: Set<UInt64>()) { $0.formUnion($1.instructions) }
    var lines: [UInt64: SourceLine] = [:]
    do throws(SourceLines.Failure) {
      lines = try source.lines(of: Array(instructions))
    } catch {
      StandardError.note("\(error)")
    }
    for boot in boots {
      matrix.add(boot, symbols: symbols) { address in
        lines[address].map { "\($0.file):\($0.line)" }
      }
    }
    if let json, json != "-" { try BenchCommand.write(try matrix.json(), to: json) }
    let text = json == "-" ? try matrix.json() : matrix.text(verbose: verbose)
    StandardOutput.write(String(text.dropLast()))
  }

  private func record(
    _ operations: [String], by runner: BenchmarkRunner
  ) throws -> [MatrixTrace] {
    let line = StatusLine(isShown: true)
    defer { line.clear() }
    var boots: [MatrixTrace] = []
    for count in cpuCounts {
      for scheme in schemes {
        line.show("recording \(count) CPUs, page tables \(scheme.rawValue)")
        do throws(BenchmarkRunner.Failure) {
          boots.append(
            try runner.matrix(cpus: count, pageTables: scheme, operations: operations))
        } catch {
          line.clear()
          throw CommandFailure(error)
        }
      }
    }
    return boots
  }
}
