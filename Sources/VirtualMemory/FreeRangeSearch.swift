import Machine

/// Looks for free addresses in the page table, without locks: what it finds may be taken a moment later,
/// which the operation that maps it will see.
///
/// It goes from one entry to the next, so what is unmapped or promised as one is passed in one step.
struct FreeRangeSearch {
  let byteCount: UInt64
  let alignment: UInt64
  let limit: UInt64
  /// The first address of a range that may be free.
  private(set) var candidate: UInt64
  /// All from the candidate up to here is free.
  private var position: UInt64

  /// A search from `start` on for `byteCount` bytes that end at or below `limit`.
  init(from start: UInt64, to limit: UInt64, byteCount: UInt64, alignment: UInt64) {
    self.byteCount = byteCount
    self.alignment = alignment
    self.limit = limit
    candidate = 0
    position = 0
    pass(to: start)
  }

  /// Goes on at an address: what is before it is taken.
  mutating func pass(to address: UInt64) {
    candidate = (address &+ alignment &- 1) & ~(alignment &- 1)
    if candidate < address { candidate = .max & ~(alignment &- 1) }
    position = candidate
  }

  /// Whether the limit leaves room at the candidate.
  @inline(__always)
  private var isPossible: Bool { candidate <= limit && byteCount <= limit &- candidate }

  enum Step {
    /// The range at `candidate` looks free.
    case found
    /// There is none.
    case none
    /// Not at an end yet.
    case goesOn
  }

  /// Goes on for some entries. In an epoch section; bounded, so that the thread is not kept for long.
  mutating func step(in root: TablePage) -> Step {
    var left = 512
    while left > 0 {
      guard isPossible else { return .none }
      if position &- candidate >= byteCount { return .found }
      left &-= passTable(in: root)
    }
    return .goesOn
  }

  /// Passes entries of the lowest table at the position until the table or the range ends; returns how
  /// many.
  private mutating func passTable(in root: TablePage) -> Int {
    var table = root
    var level = PageTableFormat.rootLevel
    var entry = table[PageTableFormat.index(of: position, level: level)].load()
    while entry.isTable(level: level) {
      table = table.child(entry)
      level &-= 1
      entry = table[PageTableFormat.index(of: position, level: level)].load()
    }
    let span = PageTableFormat.span(level: level)
    var count = 0
    while true {
      let start = position & ~(span &- 1)
      if entry.isUnmapped {
        position = start &+ span
      } else if level > 0 && entry.isReserved && !entry.isWhollyReserved {
        passPart(of: entry, from: start, level: level)
      } else {
        // Also what is just changing, or in a table that was removed a moment ago.
        pass(to: start &+ span)
      }
      count &+= 1
      let index = PageTableFormat.index(of: position, level: level)
      guard index != 0, position &- start == span, isPossible, position &- candidate < byteCount
      else { return count }
      entry = table[index].load()
      if entry.isTable(level: level) { return count }
    }
  }

  /// Passes what is free before a promise for a part, or the promise, or what is free behind it.
  private mutating func passPart(of promise: PageTableEntry, from start: UInt64, level: Int) {
    let unit = PageTableFormat.span(level: level - 1)
    let first = start &+ UInt64(promise.firstReserved) &* unit
    let end = start &+ UInt64(promise.lastReserved + 1) &* unit
    if position < first {
      position = first
      // A whole range may have been found; otherwise the promise is in its way.
      if position &- candidate < byteCount { pass(to: end) }
    } else if position < end {
      pass(to: end)
    } else {
      position = start &+ PageTableFormat.span(level: level)
    }
  }
}
