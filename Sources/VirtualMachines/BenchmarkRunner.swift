import ELF

/// Boots the images that benchmarks need, twice each, and makes figures of what was counted.
public struct BenchmarkRunner {
  /// Why there is no figure.
  public enum Failure: Error, Equatable, CustomStringConvertible {
    /// Two boots of the same image counted differently.
    case notRepeatable(name: String, first: [UInt64], second: [UInt64])
    /// The machine did not do what it was to do.
    case failed(name: String, reason: String)
    case virtualMachine(VirtualMachineError)
    case interrupted(signal: Int32)

    public var description: String {
      switch self {
      case .notRepeatable(let name, let first, let second):
        "\(name): two runs do not count the same: \(first) and then \(second) instructions"
      case .failed(let name, let reason): "\(name): \(reason)"
      case .virtualMachine(let error): error.description
      case .interrupted(let signal): "interrupted by signal \(signal)"
      }
    }
  }

  /// The seconds that a boot may take.
  public static let timeout = 120.0
  /// The memory with which the boot of HelloWorld is counted.
  static let bootMemory = MemorySize(mebibytes: 64)

  /// How many boots there are of which the fastest counts.
  static let boots = 20

  /// The path of the image of the package `Benchmarks`; empty if no benchmark needs it.
  public let benchmarks: String
  /// The path of HelloWorld's image; empty if no benchmark needs it.
  public let helloWorld: String

  private let counter: String
  let recorder: String
  let directory: TemporaryDirectory

  /// - Parameters:
  ///   - counter: the path of the plugin that counts instructions.
  ///   - recorder: the path of the plugin that records which CPU touches which line.
  ///   - directory: where files of the runs are put.
  public init(
    benchmarks: String, helloWorld: String, counter: String, recorder: String,
    directory: TemporaryDirectory
  ) {
    self.benchmarks = benchmarks
    self.helloWorld = helloWorld
    self.counter = counter
    self.recorder = recorder
    self.directory = directory
  }

  /// Measures one figure and enters it into a report. INT, TERM and HUP end it.
  public func measure(
    _ benchmark: Benchmark, into report: inout BenchmarkReport
  ) throws(Failure) {
    let value: Double
    switch benchmark.method {
    case .instructions: value = try instructions(benchmark)
    case .conflicts:
      let conflicts = try conflicts(benchmark)
      report.conflicts.append(conflicts)
      value = Double(conflicts.lines.count)
    case .interrupts: value = try interrupts(benchmark)
    case .boot: value = try boot(benchmark)
    case .bootTime: value = try bootTime(benchmark)
    case .bootTranslations: value = try boot(benchmark, counted: .translations)
    case .speedUp: value = try speedUp(benchmark)
    case .imageSize: value = Double(try image(helloWorld).strippedSize)
    case .leastMemory: value = try leastMemory(benchmark)
    }
    report.results.append(BenchmarkReport.Result(benchmark, value: value))
  }

  /// Counts each instruction of a benchmark of the method `instructions`; `plugin` is the path of
  /// the plugin that does.
  public func profile(
    _ benchmark: Benchmark, plugin: String
  ) throws(Failure) -> InstructionProfile {
    var configuration = VirtualMachineConfiguration(image: benchmarks, programName: "Benchmarks")
    configuration.arguments = [benchmark.imageName]
    configuration.pageTables = benchmark.pageTables
    configuration.logLevel = .error
    let file = directory.path("profile")
    configuration.instructionProfile = .init(plugin: plugin, output: file)
    let output = try observe(benchmark, configuration)
    let (rounds, operations) = try naming(benchmark) { () throws(BenchmarkCounts.Failure) in
      try BenchmarkCounts.rounds(output)
    }
    return try naming(benchmark) { () throws(InstructionProfile.Unusable) in
      // The longer run has twice the rounds.
      try InstructionProfile(contentsOf: file, operations: 2 * rounds * operations)
    }
  }

  /// How often times are measured, of which the shortest counts.
  static let timings = 5

  /// The nanoseconds of the host's processor that one operation takes, without the clock of
  /// instructions, in a machine like the one in which `LinuxTwin` measures.
  public func time(_ benchmark: Benchmark) throws(Failure) -> Double {
    var configuration = VirtualMachineConfiguration(image: benchmarks, programName: "Benchmarks")
    configuration.arguments = [benchmark.imageName]
    configuration.pageTables = benchmark.pageTables
    configuration.logLevel = .error
    configuration.machine = LinuxTwin.machine
    configuration.cpus = LinuxTwin.cpus
    configuration.counted = .processorTime
    var measurements: [BenchmarkCounts] = []
    for _ in 0..<Self.timings {
      let run = try count(benchmark, configuration)
      let counts = try naming(benchmark) { () throws(BenchmarkCounts.Failure) in
        try BenchmarkCounts(output: run.output, counts: run.counts)
      }
      measurements.append(counts)
    }
    return BenchmarkCounts(shortestOf: measurements)?.timePerOperation ?? 0
  }

  private func instructions(_ benchmark: Benchmark) throws(Failure) -> Double {
    try instructions(benchmark, arguments: [benchmark.imageName])
  }

  /// The same with other arguments for the image, or other memory.
  func instructions(
    _ benchmark: Benchmark, arguments: [String],
    memory: MemorySize = VirtualMachineConfiguration.defaultMemory
  ) throws(Failure) -> Double {
    var configuration = VirtualMachineConfiguration(image: benchmarks, programName: "Benchmarks")
    configuration.arguments = arguments
    configuration.memory = memory
    configuration.pageTables = benchmark.pageTables
    configuration.logLevel = .error
    return try twice(benchmark, configuration) { (run: CountedRun) throws(Failure) -> Figure in
      let counts = try naming(benchmark) { () throws(BenchmarkCounts.Failure) in
        try BenchmarkCounts(output: run.output, counts: run.counts)
      }
      return Figure(value: counts.perOperation, counts: counts.runs)
    }
  }

  /// What the image says in a line of its own.
  private func interrupts(_ benchmark: Benchmark) throws(Failure) -> Double {
    var configuration = VirtualMachineConfiguration(image: benchmarks, programName: "Benchmarks")
    configuration.arguments = [benchmark.imageName]
    configuration.pageTables = benchmark.pageTables
    configuration.logLevel = .error
    let output = try observe(benchmark, configuration)
    let words = output.split(whereSeparator: \.isWhitespace)
    guard words.count == 2, words[0] == "interrupts", let value = Double(words[1]) else {
      throw .failed(name: benchmark.name, reason: "the image says no number: \(output)")
    }
    return value
  }

  func boot(
    _ benchmark: Benchmark, memory: MemorySize = bootMemory,
    counted: VirtualMachineConfiguration.Counted = .instructions
  ) throws(Failure) -> Double {
    var configuration = VirtualMachineConfiguration(image: helloWorld, programName: "HelloWorld")
    configuration.memory = memory
    configuration.pageTables = benchmark.pageTables
    configuration.counted = counted
    return try twice(benchmark, configuration) { (run: CountedRun) throws(Failure) -> Figure in
      guard
        let counts = run.counts.instructions(
          from: InstructionCounts.entry, to: InstructionCounts.main)
      else {
        throw .failed(name: benchmark.name, reason: "the image did not come to main")
      }
      // What is translated is not known by CPUs: all have the same count.
      let sum = counted == .instructions ? counts.reduce(0, +) : counts[0]
      return Figure(value: Double(sum), counts: counts)
    }
  }

  /// Boots once for operations on all CPUs.
  ///
  /// - Parameters:
  ///   - factor: how many times the image's rounds.
  ///   - timed: takes times without the clock of instructions, in place of counts and of cache lines.
  func scaling(
    _ operations: [String], factor: Int, cpus: Int, memory: MemorySize, pageTables: PageTables,
    timed: Bool = false
  ) throws(Failure) -> ScalingBoot {
    let benchmark = Benchmark("scaling on \(cpus) CPUs")
    var configuration = VirtualMachineConfiguration(image: benchmarks, programName: "Benchmarks")
    configuration.arguments = ["--scaling", "\(factor)"] + operations
    configuration.cpus = cpus
    configuration.memory = memory
    configuration.pageTables = pageTables
    configuration.logLevel = .error
    configuration.counted = timed ? .wallTime : .instructions
    let file = directory.path("scaling-conflicts")
    if !timed { configuration.conflictTrace = .init(plugin: recorder, output: file) }
    let run = try count(benchmark, configuration)
    var trace: ConflictTrace?
    if !timed {
      trace = try naming(benchmark) { () throws(ConflictTrace.ReadingError) in
        try ConflictTrace(contentsOf: file)
      }
    }
    return try naming(benchmark) { () throws(BenchmarkCounts.Failure) in
      try ScalingBoot(output: run.output, counts: run.counts, trace: trace)
    }
  }

  /// The names in the image of the package `Benchmarks`.
  func symbols() throws(Failure) -> SymbolTable { try image(benchmarks).symbols }

  private func bootTime(_ benchmark: Benchmark) throws(Failure) -> Double {
    var configuration = VirtualMachineConfiguration(image: helloWorld, programName: "HelloWorld")
    configuration.memory = Self.bootMemory
    configuration.pageTables = benchmark.pageTables
    configuration.timeout = Self.timeout
    var best: Int?
    for _ in 0..<Self.boots {
      let outcome = try run(configuration).outcome
      guard outcome.reason == .exited(status: 0), let time = outcome.boot?.microseconds else {
        throw .failed(
          name: benchmark.name, reason: "the machine \(Self.words(outcome.reason)), without a time")
      }
      best = min(best ?? time, time)
    }
    return Double(best ?? 0)
  }

  /// What the image says in a line of its own, without the clock of instructions.
  private func speedUp(_ benchmark: Benchmark) throws(Failure) -> Double {
    var configuration = VirtualMachineConfiguration(image: benchmarks, programName: "Benchmarks")
    configuration.arguments = [benchmark.imageName]
    configuration.pageTables = benchmark.pageTables
    configuration.cpus = 2
    configuration.logLevel = .error
    configuration.timeout = Self.timeout
    let (outcome, output, _) = try run(configuration)
    let words = output.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
    guard outcome.reason == .exited(status: 0), words.count == 2, words[1] > 0 else {
      throw .failed(
        name: benchmark.name,
        reason: "the machine \(Self.words(outcome.reason)), and said: \(output)")
    }
    return words[0] / words[1]
  }

  private func conflicts(_ benchmark: Benchmark) throws(Failure) -> ConflictReport {
    let symbols = try image(benchmarks).symbols
    let first = try record(benchmark)
    let second = try record(benchmark)
    guard first.trace == second.trace else {
      throw .notRepeatable(
        name: benchmark.name, first: first.counts, second: second.counts)
    }
    if let flaw = second.flaw(symbols) { throw .failed(name: benchmark.name, reason: flaw) }
    return second.report(name: benchmark.name, symbols: symbols)
  }

  private func record(_ benchmark: Benchmark) throws(Failure) -> ConflictMeasurement {
    var configuration = VirtualMachineConfiguration(image: benchmarks, programName: "Benchmarks")
    configuration.arguments = [benchmark.imageName]
    configuration.pageTables = benchmark.pageTables
    configuration.logLevel = .error
    let file = directory.path("conflicts")
    configuration.conflictTrace = .init(plugin: recorder, output: file)
    let output = try observe(benchmark, configuration)
    let trace = try naming(benchmark) { () throws(ConflictTrace.ReadingError) in
      try ConflictTrace(contentsOf: file)
    }
    return try naming(benchmark) { () throws(BenchmarkCounts.Failure) in
      try ConflictMeasurement(output: output, trace: trace, memory: configuration.memory)
    }
  }

  private func leastMemory(_ benchmark: Benchmark) throws(Failure) -> Double {
    var configuration = VirtualMachineConfiguration(image: helloWorld, programName: "HelloWorld")
    configuration.timeout = Self.timeout
    configuration.pageTables = benchmark.pageTables
    let least = VirtualMachine.neededMemory(image: try image(helloWorld), initrdSize: 0)
    for mebibytes in least.bytes >> 20...least.bytes >> 20 + 16 {
      configuration.memory = MemorySize(mebibytes: mebibytes)
      if try run(configuration).outcome.reason == .exited(status: 0) { return Double(mebibytes) }
    }
    throw .failed(
      name: benchmark.name, reason: "HelloWorld does not run with \(configuration.memory) either")
  }

  private func image(_ path: String) throws(Failure) -> ELFImage {
    do { return try ELFImage(path: path) } catch {
      throw .virtualMachine(.badImage(error.description))
    }
  }

  /// What one counted boot has left.
  private struct CountedRun {
    var output: String
    var counts: InstructionCounts
  }

  /// A figure, and the counts that it is made of.
  private struct Figure {
    var value: Double
    var counts: [UInt64]
  }

  /// Boots twice and requires that both count the same.
  private func twice(
    _ benchmark: Benchmark, _ configuration: VirtualMachineConfiguration,
    _ evaluate: (CountedRun) throws(Failure) -> Figure
  ) throws(Failure) -> Double {
    let first = try evaluate(count(benchmark, configuration))
    let second = try evaluate(count(benchmark, configuration))
    guard first.counts == second.counts else {
      throw .notRepeatable(name: benchmark.name, first: first.counts, second: second.counts)
    }
    return second.value
  }

  /// Boots once and counts.
  private func count(
    _ benchmark: Benchmark, _ configuration: VirtualMachineConfiguration
  ) throws(Failure) -> CountedRun {
    var configuration = configuration
    let file = directory.path("counts")
    configuration.counting = .init(plugin: counter, output: file)
    let output = try observe(benchmark, configuration)
    let counts = try naming(benchmark) { () throws(InstructionCountsError) in
      try InstructionCounts(contentsOf: file)
    }
    return CountedRun(output: output, counts: counts)
  }

  /// Does something whose errors get the benchmark's name.
  private func naming<Value, Problem: Error & CustomStringConvertible>(
    _ benchmark: Benchmark, _ body: () throws(Problem) -> Value
  ) throws(Failure) -> Value {
    do { return try body() } catch {
      throw .failed(name: benchmark.name, reason: error.description)
    }
  }

  /// Boots once with the clock of instructions and requires that the program ends well.
  ///
  /// - Returns: what it has printed.
  private func observe(
    _ benchmark: Benchmark, _ configuration: VirtualMachineConfiguration
  ) throws(Failure) -> String {
    try observe(named: benchmark.name, configuration)
  }

  /// The same for what is no benchmark; `name` stands in errors.
  func observe(
    named name: String, _ configuration: VirtualMachineConfiguration
  ) throws(Failure) -> String {
    var configuration = configuration
    configuration.instructionClock = configuration.counted.isRepeatable
    configuration.timeout = configuration.timeout ?? Self.timeout
    let (outcome, output, log) = try run(configuration)
    guard outcome.reason == .exited(status: 0) else {
      let words = log.isEmpty ? "" : ":\n\(log.joined(separator: "\n"))"
      throw .failed(name: name, reason: "the machine \(Self.words(outcome.reason))\(words)")
    }
    return output
  }

  private func run(
    _ configuration: VirtualMachineConfiguration
  ) throws(Failure) -> (outcome: Outcome, output: String, log: [String]) {
    var output: [UInt8] = []
    var log: [String] = []
    let events = VirtualMachine.Events(onOutput: { output += $0 }, onLog: { log.append($0) })
    let outcome: Outcome
    do throws(VirtualMachineError) {
      outcome = try VirtualMachine.run(configuration, events: events, handlingSignals: true)
    } catch {
      throw .virtualMachine(error)
    }
    if case .interrupted(let signal) = outcome.reason { throw .interrupted(signal: signal) }
    return (outcome, String(decoding: output, as: UTF8.self), log)
  }

  /// What happened to a machine, as the end of a sentence.
  static func words(_ reason: Outcome.Reason) -> String {
    switch reason {
    case .exited(let status): "ended with status \(status)"
    case .panicked: "panicked"
    case .outOfMemory: "ran out of memory"
    case .timedOut: "did not end within \(Int(timeout)) s"
    case .reset: "reset itself"
    case .qemuFailed(let message): "could not be run: \(message)"
    case .interrupted(let signal): "was ended by signal \(signal)"
    }
  }
}
