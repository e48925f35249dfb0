import ELF

/// The lines that CPUs share in a benchmark although each works for itself, with names.
public struct ConflictReport: Equatable, Sendable, Codable {
  /// A function that touches a line.
  public struct Function: Equatable, Sendable, Codable {
    public var name: String
    public var readers: [Int]
    public var writers: [Int]
    /// The lines of the source, where they were looked up.
    public var places: [String]?
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
    let places = places ?? []
    let place = places.isEmpty ? "" : " (\(places.joined(separator: ", ")))"
    return "\(name)\(place): \(parts.joined(separator: "; "))"
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
  static let planted = "benchmark_planted_lines"

  /// Where the kernel keeps records of frames.
  let records: FrameRecords
  let trace: ConflictTrace

  /// Makes sense of one boot of a machine with this memory.
  init(
    output: String, trace: ConflictTrace, memory: MemorySize
  ) throws(BenchmarkCounts.Failure) {
    let words = output.split(whereSeparator: \.isWhitespace)
    guard words.count == 3, words[0] == "conflicts", let start = UInt64(words[1]),
      let size = UInt64(words[2])
    else { throw .output(String(output.prefix(80))) }
    records = FrameRecords(start: start, size: size, memory: memory)
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
    let found = together.flatMap { symbols.objects(in: $0) }
    if together.count == 1, apart.isEmpty, found == [Self.planted] { return nil }
    return "the recording of conflicts is wrong: of one line that two CPUs write it found "
      + "\(together.count) (\(found.joined(separator: ", "))), of lines that only one CPU writes "
      + "\(apart.count)"
  }

  /// The report, with names of the image's symbols.
  func report(name: String, symbols: SymbolTable) -> ConflictReport {
    let names = ConflictNames(symbols: symbols, records: records)
    return ConflictReport(
      name: name, cold: conflicts(Window.cold).count,
      lines: conflicts(Window.warm).map { names.line($0) })
  }
}
