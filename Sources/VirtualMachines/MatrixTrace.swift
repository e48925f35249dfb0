import ELF

/// Memory whose name the image says in a line `object START BYTES NAME`.
struct NamedMemory: Equatable, Sendable {
  static let mark = "object "

  let addresses: Range<UInt64>
  let name: String

  init(addresses: Range<UInt64>, name: String) {
    self.addresses = addresses
    self.name = name
  }

  init?(line: Substring) {
    let words = line.split(separator: " ", maxSplits: 3)
    guard line.hasPrefix(Self.mark), words.count == 4, let start = UInt64(words[1]),
      let byteCount = UInt64(words[2]), !start.addingReportingOverflow(byteCount).overflow
    else { return nil }
    self.init(addresses: start..<start + byteCount, name: String(words[3]))
  }
}

/// What a boot of the matrix of conflicts has recorded.
public struct MatrixTrace: Equatable, Sendable {
  /// A pair of operations that was done.
  struct Window: Equatable, Sendable {
    let number: Int
    let design: ConflictMatrix.Design
    let arguments: ConflictMatrix.Arguments
    let first: String
    let second: String

    /// Whether two CPUs do different operations: those with even numbers do the first. Where a pair is one
    /// operation, any two CPUs count.
    func areRelated(_ one: Int, _ other: Int) -> Bool { first == second || (one - other) % 2 != 0 }
  }

  public let pageTables: PageTables
  let records: FrameRecords
  /// What the image says of its memory.
  let objects: [NamedMemory]
  let windows: [Window]
  let trace: ConflictTrace

  /// Why a boot says nothing.
  enum Flaw: Error, Equatable, CustomStringConvertible {
    case output(String)
    case missed(Int)
    case wrongPlanted(together: Int, apart: Int, objects: [String])

    var description: String {
      switch self {
      case .output(let text): "the image says something else than its windows: \(text)"
      case .missed(let number): "no CPU came into window \(number)"
      case .wrongPlanted(let together, let apart, let objects):
        "the recording of conflicts is wrong: of one line that two CPUs write it found "
          + "\(together) (\(objects.joined(separator: ", "))), of lines that only one CPU writes "
          + "\(apart)"
      }
    }
  }

  /// The windows that the image begins with, to check the recording.
  private static let controls = ["window control together", "window control apart"]

  /// Makes sense of what the image has printed.
  init(
    output: String, trace: ConflictTrace, pageTables: PageTables, memory: MemorySize
  ) throws(Flaw) {
    var lines = output.split(separator: "\n")
    objects = lines.compactMap(NamedMemory.init(line:))
    lines.removeAll { $0.hasPrefix(NamedMemory.mark) }
    guard let words = lines.first?.split(separator: " "), words.count == 3, words[0] == "records",
      let start = UInt64(words[1]), let size = UInt64(words[2]),
      lines.dropFirst().prefix(2).elementsEqual(Self.controls, by: { String($0) == $1 })
    else { throw .output(String(output.prefix(80))) }
    var windows: [Window] = []
    for (index, line) in lines.enumerated().dropFirst(3) {
      let words = line.split(separator: " ").map(String.init)
      guard words.count == 5, words[0] == "window",
        let design = ConflictMatrix.Design(rawValue: words[1]),
        let arguments = ConflictMatrix.Arguments(rawValue: words[2]),
        ConflictMatrix.allOperations.contains(words[3]),
        ConflictMatrix.allOperations.contains(words[4])
      else { throw .output(String(line.prefix(80))) }
      windows.append(
        Window(
          number: index - 1, design: design, arguments: arguments, first: words[3], second: words[4]
        ))
    }
    for number in [0, 1] + windows.map(\.number) where trace.windows[number] == nil {
      throw .missed(number)
    }
    self.pageTables = pageTables
    records = FrameRecords(start: start, size: size, memory: memory)
    self.windows = windows
    self.trace = trace
  }

  /// Requires that the recording has seen exactly what was planted.
  func check(_ symbols: SymbolTable) throws(Flaw) {
    let together = trace.windows[0]?.conflicts ?? []
    let apart = trace.windows[1]?.conflicts ?? []
    let objects = together.flatMap { symbols.objects(in: $0) }
    guard together.count == 1, apart.isEmpty, objects == [ConflictMeasurement.planted] else {
      throw .wrongPlanted(together: together.count, apart: apart.count, objects: objects)
    }
  }

  /// The lines in which CPUs meet that do different operations of a pair.
  func conflicts(_ window: Window) -> [ConflictTrace.Line] {
    (trace.windows[window.number]?.shared ?? []).filter { $0.isConflict(among: window.areRelated) }
  }

  /// The instructions that touch lines in which CPUs meet.
  public var instructions: Set<UInt64> {
    Set(windows.flatMap { conflicts($0) }.flatMap(\.accesses).map(\.instruction))
  }
}

extension BenchmarkRunner {
  /// Seconds that a boot with all pairs may take.
  private static let matrixTimeout = 900.0

  /// Does the pairs of these operations in two boots, and requires that both are the same.
  public func matrix(
    cpus: Int, pageTables: PageTables, operations: [String]
  ) throws(Failure) -> MatrixTrace {
    let name = "the matrix with \(cpus) CPUs and page tables \(pageTables.rawValue)"
    let first = try record(name, cpus: cpus, pageTables, operations)
    let second = try record(name, cpus: cpus, pageTables, operations)
    guard first == second else {
      throw .notRepeatable(name: name, first: first.accesses, second: second.accesses)
    }
    return second
  }

  private func record(
    _ name: String, cpus: Int, _ pageTables: PageTables, _ operations: [String]
  ) throws(Failure) -> MatrixTrace {
    var configuration = VirtualMachineConfiguration(image: benchmarks, programName: "Benchmarks")
    configuration.cpus = cpus
    configuration.arguments = ["--matrix"] + operations
    configuration.pageTables = pageTables
    configuration.logLevel = .error
    configuration.timeout = Self.matrixTimeout
    let file = directory.path("conflicts")
    configuration.conflictTrace = .init(plugin: recorder, output: file)
    let output = try observe(named: name, configuration)
    do {
      let trace = try MatrixTrace(
        output: output, trace: try ConflictTrace(contentsOf: file), pageTables: pageTables,
        memory: configuration.memory)
      try trace.check(try ELFImage(path: benchmarks).symbols)
      return trace
    } catch {
      throw .failed(name: name, reason: "\(error)")
    }
  }
}

extension MatrixTrace {
  /// The accesses in each window, for an error's text.
  fileprivate var accesses: [UInt64] {
    trace.windows.sorted { $0.key < $1.key }.map(\.value.accesses)
  }
}
