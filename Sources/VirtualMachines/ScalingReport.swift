import Foundation

/// What `apus bench --scaling` has measured: operations on more and more CPUs, and beside more and more of
/// what they have to do with.
public struct ScalingReport: Equatable, Sendable, Codable {
  /// What all CPUs of a machine did at the same time, each for itself unless the operation is one that
  /// CPUs do with each other. All figures but `lines` are of one operation.
  public struct Operation: Equatable, Sendable, Codable {
    public var name: String
    public var pageTables: String
    public var cpus: Int
    public var instructions: Double
    /// Accesses to lines of memory that one CPU writes and another one touches in the same window.
    public var conflicts: Double
    /// How many such lines there are, and what they are.
    public var lineCount: Int
    public var lines: [ConflictReport.Line]
    /// Interrupts that CPUs send each other, for pages or for threads.
    public var interrupts: Double
  }

  /// How long an operation takes without the clock of instructions: from the first CPU's start to the last
  /// one's end, divided by all operations; the best of several boots. So half of it on two CPUs is perfect.
  public struct Time: Equatable, Sendable, Codable {
    public var name: String
    public var cpus: Int
    public var nanoseconds: Double
  }

  /// What an operation costs at one size.
  public struct Growth: Equatable, Sendable, Codable {
    public var name: String
    /// What there is so much of.
    public var quantity: String
    public var size: Int
    public var instructions: Double
  }

  public var facts: BenchmarkReport.Facts
  /// The processors of the host.
  public var hostCPUs: Int
  public var operations: [Operation] = []
  public var times: [Time] = []
  public var growth: [Growth] = []

  public init(facts: BenchmarkReport.Facts, hostCPUs: Int) {
    self.facts = facts
    self.hostCPUs = hostCPUs
  }

  /// The report as JSON.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }

  /// The report as tables: a row for each operation, a column for each number of CPUs or size.
  public var text: String {
    var parts: [String] = []
    for (title, figure) in [
      ("instructions", \Operation.instructions), ("conflicts", \.conflicts),
      ("interrupts", \.interrupts),
    ] as [(String, KeyPath<Operation, Double>)] {
      let cells = operations.map {
        (
          row: $0.pageTables == PageTables.shared.rawValue
            ? $0.name : "\($0.name)-\($0.pageTables)",
          column: $0.cpus, value: $0[keyPath: figure]
        )
      }
      parts.append(Self.table("\(title) of an operation, CPUs:", cells))
    }
    let times = times.map { (row: $0.name, column: $0.cpus, value: $0.nanoseconds) }
    parts.append(Self.table("nanoseconds, CPUs:", times))
    for quantity in growth.map(\.quantity).uniqued {
      let cells = growth.filter { $0.quantity == quantity }
        .map { (row: $0.name, column: $0.size, value: $0.instructions) }
      parts.append(Self.table("instructions, \(quantity):", cells))
    }
    return parts.filter { !$0.isEmpty }.joined(separator: "\n")
  }

  private static func table(
    _ title: String, _ cells: [(row: String, column: Int, value: Double)]
  ) -> String {
    guard !cells.isEmpty else { return "" }
    let columns = Set(cells.map(\.column)).sorted()
    let rows = cells.map(\.row).uniqued.map { row in
      [row]
        + columns.map { column in
          let value = cells.first { $0.row == row && $0.column == column }?.value
          return BenchmarkReport.text(value.map(rounded))
        }
    }
    let headings = [title] + columns.map { BenchmarkReport.text(Double($0)) }
    return TextTable.lines([headings] + rows, text: [0]).map { "\($0)\n" }.joined()
  }

  /// No more digits than a reader wants.
  private static func rounded(_ value: Double) -> Double {
    value < 100 ? (value * 100).rounded() / 100 : value.rounded()
  }
}

extension Sequence where Element: Hashable {
  /// The elements without those that have come before.
  var uniqued: [Element] {
    var seen: Set<Element> = []
    return filter { seen.insert($0).inserted }
  }
}
