import Machine
import PhysicalMemory

/// Memory for the tables that a range operation makes, which it takes before it changes anything: so
/// it fails as a whole or not at all.
///
/// Entries are divided only where the range begins and where it ends, so there are at most two tables
/// of each level.
struct SpareTables {
  private typealias Addresses = InlineArray<6, UInt64>

  /// Two places for each level.
  private var addresses = Addresses(repeating: 0)
  private var counts = InlineArray<3, Int>(repeating: 0)
  private var wishes = InlineArray<3, Int>(repeating: 0)
  private var parent: TablePage?

  /// Whether tables were wished for that were not there.
  private(set) var hasWishes = false

  /// Notes that a table of a level is needed.
  mutating func wish(level: Int) {
    wishes[level] += 1
    hasWishes = true
  }

  /// Takes memory for all that is wished for. On an error what it took is still to be freed.
  mutating func allocate(of parent: TablePage) throws(FrameAllocatorError) {
    self.parent = parent
    for level in 0..<PageTableFormat.rootLevel {
      while counts[level] < Swift.min(wishes[level], 2) {
        let table = try TablePage.allocate(level: level, of: parent)
        addresses[level * 2 + counts[level]] = table.address
        counts[level] += 1
      }
      wishes[level] = 0
    }
    hasWishes = false
  }

  /// A table of a level, if there is one.
  mutating func take(level: Int, of parent: TablePage) -> TablePage? {
    guard counts[level] > 0 else { return nil }
    counts[level] -= 1
    return parent.table(at: addresses[level * 2 + counts[level]])
  }

  /// Takes back a table that nobody has found.
  mutating func giveBack(_ table: TablePage, level: Int) {
    addresses[level * 2 + counts[level]] = table.address
    counts[level] += 1
  }

  /// Frees what was not used.
  mutating func free() {
    guard let parent else { return }
    for level in 0..<PageTableFormat.rootLevel {
      while let table = take(level: level, of: parent) { table.free() }
    }
  }
}
