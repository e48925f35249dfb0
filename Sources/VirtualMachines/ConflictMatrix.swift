import ELF
import Foundation

/// Which pairs of operations of several CPUs meet in a line of memory, as the image of the package
/// `Benchmarks` was seen to do them.
public struct ConflictMatrix: Equatable, Sendable, Codable {
  /// What the operations of a pair are done to; the image has the same.
  public enum Arguments: String, Equatable, Sendable, Codable, CaseIterable {
    /// Each CPU's own.
    case apart
    /// Each CPU's own blocks of pages, in one page table.
    case near
    /// The same.
    case equal
  }

  /// Whose operations they are.
  public enum Design: String, Equatable, Sendable, Codable, CaseIterable {
    case apus
    /// A read-write lock over a list of areas: `LockedAreas` in `Benchmarks/Sources`.
    case lockedAreas = "locked-areas"
  }

  /// A pair of operations.
  public struct Cell: Equatable, Sendable, Codable {
    public var first: String
    public var second: String
    /// Whether the order of the two makes no difference to anybody: then they need not meet.
    public var commute: Bool
    /// How many lines a CPU wrote that another one touched which did the other operation.
    public var conflicts: Int
    public var lines: [ConflictReport.Line]
  }

  /// All pairs under the same circumstances.
  public struct Table: Equatable, Sendable, Codable {
    public var cpus: Int
    public var pageTables: String
    public var arguments: Arguments
    public var design: Design
    public var cells: [Cell]
  }

  /// The operations, in the order of the image, with short names for the heads of columns.
  static let columns = [
    ("fault", "fault"), ("map", "map"), ("unmap", "unmap"), ("protect", "prot"),
    ("query", "query"), ("frame-allocate", "f-get"), ("frame-free", "f-put"),
    ("heap-allocate", "h-get"), ("heap-free", "h-put"), ("spawn", "spawn"), ("wake", "wake"),
    ("timer-set", "t-set"), ("timer-cancel", "t-del"), ("lock", "lock"),
  ]
  public static let allOperations = columns.map(\.0)

  public var facts: BenchmarkReport.Facts
  public var operations: [String]
  public var tables: [Table]

  /// Of no cells yet. The operations are taken in the image's order.
  public init(facts: BenchmarkReport.Facts, operations: [String]) {
    self.facts = facts
    self.operations = Self.allOperations.filter(operations.contains)
    tables = []
  }

  /// Whether the results of two operations, and what others see afterwards, are the same in either order.
  static func commute(_ first: String, _ second: String, _ arguments: Arguments) -> Bool {
    // What is done twice to the same pages is as if it were done once; what comes first in a queue, or into a
    // critical section, is seen.
    arguments != .equal || first == second && first != "map" && isOfPages(first)
  }

  private static func isOfPages(_ operation: String) -> Bool {
    allOperations.prefix(5).contains(operation)
  }

  /// Adds the tables of a boot.
  ///
  /// - Parameter place: the line of the source that an instruction belongs to.
  public mutating func add(_ boot: MatrixTrace, symbols: SymbolTable, place: (UInt64) -> String?) {
    withoutActuallyEscaping(place) { place in
      let names = ConflictNames(
        symbols: symbols, records: boot.records, objects: boot.objects, place: place)
      for window in boot.windows {
        let lines = boot.conflicts(window)
        let cell = Cell(
          first: window.first, second: window.second,
          commute: Self.commute(window.first, window.second, window.arguments),
          conflicts: lines.count, lines: lines.map { names.line($0, among: window.areRelated) })
        let index =
          tables.firstIndex {
            $0.cpus == boot.trace.cpus && $0.pageTables == boot.pageTables.rawValue
              && $0.arguments == window.arguments && $0.design == window.design
          }
          ?? {
            tables.append(
              Table(
                cpus: boot.trace.cpus, pageTables: boot.pageTables.rawValue,
                arguments: window.arguments, design: window.design, cells: []))
            return tables.count - 1
          }()
        tables[index].cells.append(cell)
      }
    }
  }

  /// The pairs that commute and meet all the same, in the kernel's own design.
  public var findings: [(table: Table, cell: Cell)] {
    tables.filter { $0.design == .apus }.flatMap { table in
      table.cells.filter { $0.commute && $0.conflicts > 0 }.map { (table, $0) }
    }
  }

  /// The matrix as JSON, with a line feed at the end.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }
}
