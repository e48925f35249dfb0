import Machine

/// The part of a range that one entry of a table covers; and the next one's, and so on.
struct RangePart {
  let level: Int
  /// Bytes that an entry covers.
  let span: UInt64
  private let rangeEnd: UInt64
  private(set) var index: Int
  private(set) var start: UInt64
  /// One more than the last address.
  private(set) var end: UInt64

  @inline(__always)
  init(level: Int, from start: UInt64, to end: UInt64) {
    self.level = level
    span = PageTableFormat.span(level: level)
    rangeEnd = end
    index = PageTableFormat.index(of: start, level: level)
    self.start = start
    self.end = Swift.min((start & ~(span &- 1)) &+ span, end)
  }

  /// Whether there is such a part: the range is not through.
  @inline(__always)
  var goesOn: Bool { start < rangeEnd }

  /// Whether it is the range's last one.
  @inline(__always)
  var isLast: Bool { end == rangeEnd }

  /// One more than the last entry of the table that the range reaches.
  @inline(__always)
  var endIndex: Int {
    let last = Swift.min(rangeEnd &- 1, start | (span &* UInt64(PageTableFormat.entryCount) &- 1))
    return PageTableFormat.index(of: last, level: level) &+ 1
  }

  /// Whether the part is the range's last one, or the table's.
  @inline(__always)
  var isLastOfTable: Bool { isLast || index == PageTableFormat.entryCount &- 1 }

  /// Whether the part is all that the entry covers.
  @inline(__always)
  var isWhole: Bool { end &- start == span }

  /// The first address that the entry covers.
  @inline(__always)
  var entryStart: UInt64 { start & ~(span &- 1) }

  /// The first address that an entry of the same table covers.
  func address(of slot: TableSlot, in table: TablePage) -> UInt64 {
    let tableStart = start & ~(span &* UInt64(PageTableFormat.entryCount) &- 1)
    return Swift.min(tableStart &+ UInt64(slot.place - table[0].place) &* span, rangeEnd)
  }

  @inline(__always)
  mutating func advance() {
    index &+= 1
    start = end
    end = Swift.min(end &+ span, rangeEnd)
  }

  // MARK: In entries of a table below

  /// The entry of the table below in which the part begins. Above level 0.
  @inline(__always)
  var first: Int { PageTableFormat.index(of: start, level: level &- 1) }

  /// The entry of the table below in which the part ends.
  @inline(__always)
  var last: Int { PageTableFormat.index(of: end &- 1, level: level &- 1) }

  /// Whether the part begins where an entry of the table below does.
  @inline(__always)
  var isAlignedAtStart: Bool { start & (PageTableFormat.span(level: level &- 1) &- 1) == 0 }

  /// Whether the part ends where an entry of the table below does.
  @inline(__always)
  var isAlignedAtEnd: Bool { end & (PageTableFormat.span(level: level &- 1) &- 1) == 0 }

  @inline(__always)
  var isAligned: Bool { (start | end) & (PageTableFormat.span(level: level &- 1) &- 1) == 0 }
}

extension PageTableEntry {
  /// Whether an entry at `level` leads to a table of the level below.
  @inline(__always)
  func isTable(level: Int) -> Bool { level > 0 && isTable }
}
