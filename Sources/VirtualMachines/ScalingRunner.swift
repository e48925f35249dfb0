import ELF

/// Boots the image of the package `Benchmarks` on few and on many CPUs, and with few and with many things in
/// it.
public struct ScalingRunner {
  private let runner: BenchmarkRunner
  /// What is to be measured; all if it is empty.
  private let only: [String]
  /// Is told what comes next.
  private let progress: (String) -> Void

  /// The memory of a machine whose size is not what is measured.
  private static let memory = MemorySize(mebibytes: 1024)
  /// How many boots time an operation, and how often each does. Each time is short, so that on a host with
  /// other things to do it is undisturbed now and then; the shortest counts.
  private static let timedBoots = 2
  private static let timings = 40

  public init(
    _ runner: BenchmarkRunner, only: [String], progress: @escaping (String) -> Void
  ) {
    self.runner = runner
    self.only = only
    self.progress = progress
  }

  /// Measures all. INT, TERM and HUP end it.
  public func measure(into report: inout ScalingReport) throws(BenchmarkRunner.Failure) {
    let operations = ScalingCatalog.operations.filter { isWanted($0.name) }
    if !operations.isEmpty {
      for tables in [PageTables.shared, .perCPU] {
        let own = operations.filter { tables == .shared || $0.usesPages }
        if own.isEmpty { continue }
        for cpus in ScalingCatalog.cpus {
          progress("\(own.count) operations on \(cpus) CPUs, page tables \(tables.rawValue)")
          report.operations += try measure(own, cpus: cpus, tables)
        }
      }
      // In the order of the operations, and with few CPUs first.
      report.operations.sort { one, other in
        let order = { (name: String) in operations.firstIndex { $0.name == name } ?? 0 }
        return (order(one.name), one.pageTables == "shared" ? 0 : 1, one.cpus)
          < (order(other.name), other.pageTables == "shared" ? 0 : 1, other.cpus)
      }
      for cpus in ScalingCatalog.cpus where cpus <= report.hostCPUs {
        for operation in operations {
          progress("time of \(operation.name) on \(cpus) CPUs")
          if let time = try time(operation, cpus: cpus) { report.times.append(time) }
        }
      }
    }
    for growth in ScalingCatalog.growth where isWanted(growth.name) {
      for size in growth.sizes {
        progress("\(growth.name) with \(BenchmarkReport.text(Double(size))) \(growth.quantity)")
        let count = try runner.instructions(
          Benchmark(growth.name), arguments: ["--growth", growth.name, "\(size)"],
          memory: Self.memory)
        report.growth.append(
          .init(
            name: growth.name, quantity: growth.quantity, size: size, instructions: rounded(count)))
      }
    }
    try measureMemory(into: &report)
  }

  private func measureMemory(into report: inout ScalingReport) throws(BenchmarkRunner.Failure) {
    var growth: [ScalingReport.Growth] = []
    for mebibytes in ScalingCatalog.memories {
      let memory = MemorySize(mebibytes: UInt64(mebibytes))
      var counts: [(name: String, count: Double)] = []
      if isWanted(ScalingCatalog.boot) {
        progress("boot with \(memory) of memory")
        counts.append(
          (ScalingCatalog.boot, try runner.boot(Benchmark(ScalingCatalog.boot), memory: memory)))
      }
      for (name, benchmark) in ScalingCatalog.memoryBenchmarks.sorted(by: { $0.key < $1.key })
      where isWanted(name) && mebibytes >= 16 {
        progress("\(benchmark) with \(memory) of memory")
        counts.append(
          (name, try runner.instructions(Benchmark(name), arguments: [benchmark], memory: memory)))
      }
      for (name, count) in counts {
        growth.append(
          .init(
            name: name, quantity: ScalingCatalog.memoryQuantity, size: mebibytes,
            instructions: rounded(count)))
      }
    }
    report.growth += growth.sorted { ($0.name, $0.size) < ($1.name, $1.size) }
  }

  private func isWanted(_ name: String) -> Bool { only.isEmpty || only.contains(name) }

  private func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

  // MARK: Operations

  /// Boots twice and requires that both count the same.
  private func measure(
    _ operations: [ScalingCatalog.Operation], cpus: Int, _ tables: PageTables
  ) throws(BenchmarkRunner.Failure) -> [ScalingReport.Operation] {
    let names = operations.map(\.name)
    let first = try runner.scaling(
      names, factor: 1, cpus: cpus, memory: Self.memory, pageTables: tables)
    let second = try runner.scaling(
      names, factor: 1, cpus: cpus, memory: Self.memory, pageTables: tables)
    guard first.parts == second.parts, first.trace == second.trace else {
      throw .notRepeatable(
        name: "scaling on \(cpus) CPUs", first: first.parts.map(\.instructions),
        second: second.parts.map(\.instructions))
    }
    let symbols = try runner.symbols()
    return second.parts.map { part in
      let names = ConflictNames(
        symbols: symbols,
        records: FrameRecords(start: part.records, size: part.recordSize, memory: Self.memory))
      let conflicts = second.trace?.windows[part.window]?.conflicts ?? []
      let accesses = conflicts.flatMap(\.accesses).reduce(0) { $0 + $1.reads + $1.writes }
      let each = 1 / Double(part.operations)
      return ScalingReport.Operation(
        name: part.name, pageTables: tables.rawValue, cpus: cpus,
        instructions: rounded(Double(part.instructions) * each),
        conflicts: rounded(Double(accesses) * each), lineCount: conflicts.count,
        lines: conflicts.map { names.line($0) },
        interrupts: rounded(Double(part.interrupts) * each))
    }
  }

  private func time(
    _ operation: ScalingCatalog.Operation, cpus: Int
  ) throws(BenchmarkRunner.Failure) -> ScalingReport.Time? {
    var best: Double?
    for _ in 0..<Self.timedBoots {
      let names = [String](repeating: operation.name, count: Self.timings)
      let boot = try runner.scaling(
        names, factor: operation.timedRounds, cpus: cpus, memory: Self.memory, pageTables: .shared,
        timed: true)
      for part in boot.parts {
        let time = Double(part.time) / Double(part.operations)
        best = min(best ?? time, time)
      }
    }
    return best.map { .init(name: operation.name, cpus: cpus, nanoseconds: rounded($0)) }
  }
}

/// What one boot of the image has said and counted of operations on all CPUs.
struct ScalingBoot: Equatable {
  struct Part: Equatable {
    var name: String
    var window: Int
    var operations: Int
    var interrupts: Int
    /// Where the kernel keeps records of frames, and of which size.
    var records: UInt64
    var recordSize: UInt64
    /// Of all CPUs, between their marks.
    var instructions: UInt64 = 0
    /// Where the marks count time: from the first start to the last stop, or the sum where CPUs take turns.
    var time: UInt64 = 0
  }

  var parts: [Part]
  var trace: ConflictTrace?

  /// Makes sense of a boot: a line for each operation, and marks, which are those of one operation after
  /// the other.
  init(
    output: String, counts: InstructionCounts, trace: ConflictTrace?
  ) throws(BenchmarkCounts.Failure) {
    parts = []
    self.trace = trace
    for line in output.split(whereSeparator: \.isNewline) {
      let words = line.split(separator: " ")
      guard words.count == 7, words[0] == "scaling", let window = Int(words[2]),
        let operations = Int(words[3]), operations > 0, let interrupts = Int(words[4]),
        let records = UInt64(words[5]), let recordSize = UInt64(words[6]), recordSize > 0
      else { throw .output(String(line.prefix(80))) }
      parts.append(
        Part(
          name: String(words[1]), window: window, operations: operations, interrupts: interrupts,
          records: records, recordSize: recordSize))
    }
    guard counts.dropped == 0 else { throw .marks("\(counts.dropped) of them were dropped") }
    var sections: [ArraySlice<InstructionCounts.Event>] = []
    let starts = counts.events.indices.filter {
      counts.events[$0].mark == BenchmarkCounts.Mark.phase
    }
    for (index, start) in starts.enumerated() {
      let end = index + 1 < starts.count ? starts[index + 1] : counts.events.count
      sections.append(counts.events[(start + 1)..<end])
    }
    guard sections.count == parts.count else {
      throw .marks("\(sections.count) operations instead of \(parts.count)")
    }
    for index in parts.indices { try Self.add(sections[index], counts.cpus, to: &parts[index]) }
  }

  private static func add(
    _ events: ArraySlice<InstructionCounts.Event>, _ cpus: Int, to part: inout Part
  ) throws(BenchmarkCounts.Failure) {
    var starts = [UInt64?](repeating: nil, count: cpus)
    var startCounts = [Int](repeating: 0, count: cpus)
    var first: UInt64?
    var last: UInt64 = 0
    for event in events {
      let count = event.instructions[event.cpu]
      switch event.mark {
      case BenchmarkCounts.Mark.started:
        guard starts[event.cpu] == nil else { throw .marks("CPU \(event.cpu) starts twice") }
        starts[event.cpu] = count
        startCounts[event.cpu] += 1
        first = first ?? count
      case BenchmarkCounts.Mark.stopped:
        guard let start = starts[event.cpu] else {
          throw .marks("CPU \(event.cpu) stops without a start")
        }
        part.instructions += count - start
        starts[event.cpu] = nil
        last = max(last, count)
      default: break
      }
    }
    guard let first, starts.allSatisfy({ $0 == nil }) else {
      throw .marks("a CPU does not stop")
    }
    let isInTurn = startCounts.contains { $0 > 1 }
    part.time = isInTurn ? part.instructions : last - min(first, last)
  }
}
