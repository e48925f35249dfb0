/// What became reachable from interrupts between two builds of a kernel, and what no longer is.
public struct ReachDifference: Equatable, Sendable {
  /// Functions by their symbols, sorted by their readable names.
  public var added: [String]
  public var removed: [String]

  /// Compares the functions that are reached in two images; names, not addresses, are what counts.
  public init(from old: Checker, to new: Checker) throws(CheckFailure) {
    let before = Set(try old.graph().nodes.map(\.name))
    let after = Set(try new.graph().nodes.map(\.name))
    added = after.subtracting(before).sorted()
    removed = before.subtracting(after).sorted()
  }

  /// A line for each function, `+` or `-` before it.
  public var text: String {
    (added.map { "+ \($0)\n" } + removed.map { "- \($0)\n" }).joined()
  }
}
