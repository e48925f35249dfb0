import ELF
import Foundation

/// The operations of benchmarks on Linux, as the only program of a virtual machine of the same QEMU:
/// what a reader compares with. `Tools/linux-twin` makes what is run.
///
/// The machine has one CPU: with several, Linux does not come up under the clock of instructions.
public struct LinuxTwin {
  /// Why there are no figures.
  public enum Failure: Error, Equatable, CustomStringConvertible {
    /// Kernel and program could not be made; the script has said why.
    case notMade(String)
    /// The machine did not do what it was to do.
    case failed(String)
    case interrupted(signal: Int32)

    public var description: String {
      switch self {
      case .notMade(let reason): "Tools/linux-twin: \(reason)"
      case .failed(let reason): "Linux: \(reason)"
      case .interrupted(let signal): "interrupted by signal \(signal)"
      }
    }
  }

  /// The kernel's Debian package, with its version.
  public let package: String
  private let kernel: String
  private let program: String

  /// The seconds that the machine may take for all benchmarks.
  private static let timeout = 600.0

  /// Makes kernel and program with the script in the kernel sources at `root`, whose messages come on
  /// standard error.
  public init(root: String) throws(Failure) {
    var words: [UInt8] = []
    var process = ChildProcess(path: "\(root)/Tools/linux-twin", arguments: [])
    process.descriptors = [.null, .pipe, .inherited]
    process.handlesSignals = true
    let end: ChildProcess.End
    do { end = try process.run { _, bytes in words.append(contentsOf: bytes) } } catch {
      throw .notMade(error.description)
    }
    if case .interrupted(let signal) = end { throw .interrupted(signal: signal) }
    let lines = String(decoding: words, as: UTF8.self).split(whereSeparator: \.isNewline)
    guard end == .exited(status: 0), lines.count == 3 else {
      throw .notMade("it did not end well")
    }
    (package, kernel, program) = (String(lines[0]), String(lines[1]), String(lines[2]))
  }

  /// The machine in which Linux comes up under the clock of instructions.
  public static let machine = MachineType.q35
  public static let cpus = 1

  /// Measures benchmarks, all in one boot.
  ///
  /// - Parameters:
  ///   - counted: instructions, or nanoseconds without the clock of instructions.
  ///   - counter: the path of the plugin that counts.
  ///   - directory: where files of the run are put.
  /// - Returns: the instructions or nanoseconds of one operation of each, in the same order.
  public func measure(
    _ benchmarks: [Benchmark], _ counted: VirtualMachineConfiguration.Counted, counter: String,
    directory: TemporaryDirectory
  ) throws(Failure) -> [Double] {
    var configuration = VirtualMachineConfiguration(image: program, programName: "twin")
    configuration.cpus = Self.cpus
    configuration.machine = Self.machine
    configuration.instructionClock = counted == .instructions
    configuration.counted = counted
    configuration.counting = .init(plugin: counter, output: directory.path("linux-counts"))
    let repetitions = counted == .instructions ? 1 : BenchmarkRunner.timings
    let output = try run(benchmarks, repetitions, configuration, initrd: initrd(directory))
    do {
      return try Self.figures(
        of: benchmarks, repetitions: repetitions, output: output,
        counts: InstructionCounts(contentsOf: directory.path("linux-counts")))
    } catch let failure as Failure {
      throw failure
    } catch {
      throw .failed("\(error)")
    }
  }

  /// The program as the root file system's `/init`.
  private func initrd(_ directory: TemporaryDirectory) throws(Failure) -> String {
    let root = directory.path("linux-root")
    let archive = directory.path("linux-initrd")
    do {
      if !FileManager.default.fileExists(atPath: root) {
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: false)
        try FileManager.default.copyItem(atPath: program, toPath: "\(root)/init")
      }
      return try RootFileSystem.pack(directory: root, to: archive).path
    } catch {
      throw .failed("its root file system cannot be made: \(error)")
    }
  }

  private func run(
    _ benchmarks: [Benchmark], _ repetitions: Int, _ configuration: VirtualMachineConfiguration,
    initrd: String
  ) throws(Failure) -> String {
    let symbols: SymbolTable
    do { symbols = SymbolTable(try ELFFile(path: program).symbols()) } catch {
      throw .failed(error.description)
    }
    var commandLine = QEMUCommandLine(configuration)
    commandLine.marks = .init(symbols)
    let words = commandLine.arguments(
      kernel: kernel, initrd: initrd,
      parameters: ["console=ttyS0", "quiet", "loglevel=0", "mitigations=off", "panic=-1", "--"]
        + ["\(repetitions)"] + benchmarks.map(\.name))
    guard let qemu = File.program(configuration.qemu) else { throw .failed("there is no QEMU") }
    var process = ChildProcess(path: qemu, arguments: words)
    process.timeout = Self.timeout
    process.handlesSignals = true
    var output: [UInt8] = []
    var messages: [UInt8] = []
    let end: ChildProcess.End
    do {
      end = try process.run { descriptor, bytes in
        if descriptor == 1 { output += bytes } else { messages += bytes }
      }
    } catch {
      throw .failed(error.description)
    }
    switch end {
    case .exited(status: 0): return String(decoding: output, as: UTF8.self)
    case .interrupted(let signal): throw .interrupted(signal: signal)
    default:
      let said = String(decoding: output + messages, as: UTF8.self)
      throw .failed("the machine did not end well (\(end)):\n\(said.suffix(2000))")
    }
  }

  /// Makes figures of what the program has printed, a line for each measurement, and of its marks, which
  /// are those of one measurement after the other; of times each benchmark has several.
  static func figures(
    of benchmarks: [Benchmark], repetitions: Int = 1, output: String, counts: InstructionCounts
  ) throws -> [Double] {
    let measurements = try measurements(
      count: benchmarks.count * repetitions, output: output, counts: counts)
    if repetitions == 1 { return measurements.map(\.perOperation) }
    return benchmarks.indices.map { index in
      let own = measurements[index * repetitions..<(index + 1) * repetitions]
      return BenchmarkCounts(shortestOf: Array(own))?.timePerOperation ?? 0
    }
  }

  private static func measurements(
    count: Int, output: String, counts: InstructionCounts
  ) throws -> [BenchmarkCounts] {
    let lines = output.split(whereSeparator: \.isNewline)
    let starts = counts.events.indices.filter {
      counts.events[$0].mark == BenchmarkCounts.Mark.phase
    }
    guard lines.count == count,
      starts.count == count * BenchmarkCounts.runCount, starts.first == 0
    else {
      throw Failure.failed(
        "it was to measure \(count) benchmarks; there are \(starts.count) runs, and it "
          + "printed:\n\(output.suffix(2000))")
    }
    return try (0..<count).map { index in
      let next = (index + 1) * BenchmarkCounts.runCount
      let end = next < starts.count ? starts[next] : counts.events.count
      let own = InstructionCounts(
        cpus: counts.cpus,
        events: Array(counts.events[starts[index * BenchmarkCounts.runCount]..<end]),
        dropped: counts.dropped, total: counts.total)
      return try BenchmarkCounts(output: String(lines[index]), counts: own)
    }
  }
}
