import ELF

/// The lines that CPUs share in a benchmark although each works for itself, with names.
public struct ConflictReport: Equatable, Sendable, Codable {
  /// A function that touches a line.
  public struct Function: Equatable, Sendable, Codable {
    public var name: String
    public var readers: [Int]
    public var writers: [Int]
  }

  /// A line that one CPU writes and another reads or writes.
  public struct Line: Equatable, Sendable, Codable {
    /// The physical address, as `0x12e2c0`.
    public var address: String
    /// The variables of the image that lie in it, or what else it is.
    public var object: String
    public var functions: [Function]
  }

  /// The benchmark.
  public var name: String
  /// How many lines there were in the first window, when caches are empty.
  public var cold: Int
  /// The lines of the window that counts.
  public var lines: [Line]

  /// The report's text. Lines of memory that are the same thing and are touched by the same functions
  /// on the same CPUs stand together.
  public var text: String {
    var groups: [(line: Line, addresses: [String])] = []
    for line in lines {
      let index = groups.firstIndex {
        $0.line.object == line.object && $0.line.functions == line.functions
      }
      if let index {
        groups[index].addresses.append(line.address)
      } else {
        groups.append((line, [line.address]))
      }
    }
    var text = "\(name): \(lines.count) \(lines.count == 1 ? "line" : "lines")\n"
    for (line, addresses) in groups {
      text += "  \(line.object): \(addresses.joined(separator: " "))\n"
      for function in line.functions { text += "    \(function.text)\n" }
    }
    return text
  }
}

extension ConflictReport.Function {
  /// The name, and what it does on which CPUs.
  var text: String {
    let parts = [("read by", readers), ("written by", writers)]
      .filter { !$0.1.isEmpty }
      .map { "\($0.0) CPU \($0.1.map(String.init).joined(separator: ", "))" }
    return "\(name): \(parts.joined(separator: "; "))"
  }
}

/// What the image of the package `Benchmarks` recorded of work that CPUs do each for itself.
struct ConflictMeasurement: Equatable {
  /// The windows that the image goes through: `Sharing` in `Benchmarks/Sources` has the same.
  enum Window {
    static let cold = 0
    static let warm = 1
    /// Two CPUs write one line, and each a line of its own.
    static let plantedTogether = 2
    static let plantedApart = 3
  }

  /// The object in the image that holds the lines of the planted windows.
  private static let planted = "benchmark_planted_lines"

  /// The beginnings of the names of functions that are the heap's.
  private static let heapFunctions = ["Heap.", "apus_heap_", "malloc", "free", "posix_memalign"]

  /// Where the kernel keeps a record for each frame, and how many bytes.
  let records: Range<UInt64>
  let recordSize: UInt64
  let trace: ConflictTrace

  /// Makes sense of one boot of a machine with this memory.
  init(
    output: String, trace: ConflictTrace, memory: MemorySize
  ) throws(BenchmarkCounts.Failure) {
    let words = output.split(whereSeparator: \.isWhitespace)
    guard words.count == 3, words[0] == "conflicts", let start = UInt64(words[1]),
      let size = UInt64(words[2])
    else { throw .output(String(output.prefix(80))) }
    records = start..<start + memory.bytes / 4096 * size
    recordSize = size
    self.trace = trace
    for window in [Window.cold, Window.warm, Window.plantedTogether, Window.plantedApart] {
      guard trace.windows[window] != nil else { throw .marks("no CPU came into window \(window)") }
    }
  }

  /// The accesses of each window, for a comparison of two boots.
  var counts: [UInt64] { trace.windows.sorted { $0.key < $1.key }.map(\.value.accesses) }

  /// The lines that CPUs share in a window.
  func conflicts(_ window: Int) -> [ConflictTrace.Line] { trace.windows[window]?.conflicts ?? [] }

  /// What is wrong with the recording, if it has not seen exactly what was planted.
  func flaw(_ symbols: SymbolTable) -> String? {
    let together = conflicts(Window.plantedTogether)
    let apart = conflicts(Window.plantedApart)
    let found = together.flatMap { Self.objects(in: $0, symbols) }
    if together.count == 1, apart.isEmpty, found == [Self.planted] { return nil }
    return "the recording of conflicts is wrong: of one line that two CPUs write it found "
      + "\(together.count) (\(found.joined(separator: ", "))), of lines that only one CPU writes "
      + "\(apart.count)"
  }

  /// The report, with names of the image's symbols.
  func report(name: String, symbols: SymbolTable) -> ConflictReport {
    ConflictReport(
      name: name, cold: conflicts(Window.cold).count,
      lines: Self.lines(conflicts(Window.warm), symbols) { line in
        guard records.contains(line.address) else { return nil }
        let first = (line.address - records.lowerBound) / recordSize
        let count = ConflictTrace.lineSize / recordSize
        return "frame records \(first) to \(first + count - 1)"
      })
  }

  /// Lines with names of the image's symbols, or the one that `name` gives them.
  static func lines(
    _ lines: [ConflictTrace.Line], _ symbols: SymbolTable,
    name: (ConflictTrace.Line) -> String? = { _ in nil }
  ) -> [ConflictReport.Line] {
    lines.map { line in
      let functions = functions(of: line, symbols)
      return ConflictReport.Line(
        address: "0x\(String(line.address, radix: 16))",
        object: object(line, functions, symbols, name), functions: functions)
    }
  }

  private static func objects(in line: ConflictTrace.Line, _ symbols: SymbolTable) -> [String] {
    symbols.objects(in: line.virtualAddress..<line.virtualAddress + ConflictTrace.lineSize)
  }

  /// What a line is.
  private static func object(
    _ line: ConflictTrace.Line, _ functions: [ConflictReport.Function], _ symbols: SymbolTable,
    _ name: (ConflictTrace.Line) -> String?
  ) -> String {
    let objects = objects(in: line, symbols)
    if !objects.isEmpty { return objects.joined(separator: ", ") }
    if let name = name(line) { return name }
    if line.virtualAddress >= KernelAddresses.stacks { return "stack" }
    // Memory has no names, but the heap's functions touch little else.
    let page = String(line.address & ~4095, radix: 16)
    let isHeap = functions.contains { function in
      heapFunctions.contains { function.name.hasPrefix($0) }
    }
    return isHeap ? "heap page 0x\(page)" : "memory, page 0x\(page)"
  }

  /// The functions that touch a line, each with the CPUs on which it does.
  private static func functions(
    of line: ConflictTrace.Line, _ symbols: SymbolTable
  ) -> [ConflictReport.Function] {
    var functions: [ConflictReport.Function] = []
    for access in line.accesses {
      let name =
        symbols.function(at: access.instruction)?.name
        ?? "0x\(String(access.instruction, radix: 16))"
      let index =
        functions.firstIndex { $0.name == name }
        ?? {
          functions.append(.init(name: name, readers: [], writers: []))
          return functions.count - 1
        }()
      if access.reads > 0, !functions[index].readers.contains(access.cpu) {
        functions[index].readers.append(access.cpu)
      }
      if access.writes > 0, !functions[index].writers.contains(access.cpu) {
        functions[index].writers.append(access.cpu)
      }
    }
    return functions
  }
}

/// Where the kernel puts things in its address space (Documentation/Architecture.md).
enum KernelAddresses {
  /// Stacks begin here; all else is below.
  static let stacks: UInt64 = 0x1000_0000_0000
}
