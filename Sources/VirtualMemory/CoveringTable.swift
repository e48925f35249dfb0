import Machine

/// The lowest table that covers a range, locked: where an operation on the range begins.
struct CoveringTable {
  let table: TablePage
  let level: Int

  /// Locks the table, on the way from `root`. In an epoch section that ends after the lock does.
  @inline(__always)
  init(from start: UInt64, to end: UInt64, root: TablePage) {
    while true {
      var table = root
      var level = PageTableFormat.rootLevel
      while level > 0, start ^ (end &- 1) < PageTableFormat.span(level: level) {
        let entry = table[PageTableFormat.index(of: start, level: level)].load()
        guard entry.isTable(level: level) else { break }
        table = table.child(entry)
        level &-= 1
      }
      table.lock()
      if !table.isDetached {
        self.table = table
        self.level = level
        return
      }
      table.unlock()
    }
  }

  /// Changes a range that lies in one entry, if that has no page and needs no table, and unlocks the
  /// table: most of what is mapped and unmapped, and never anything that other CPUs remember.
  ///
  /// - Returns: How many more empty tables there are, -1 to 1; `nil` if nothing was done, also because of
  ///   what is in the way.
  @inline(__always)
  func changeOneEntry(_ change: RangeChange, from start: UInt64, to end: UInt64) -> Int? {
    let part = RangePart(level: level, from: start, to: end)
    guard part.isLast else { return nil }
    let slot = table[part.index]
    let entry = slot.load()
    guard let new = Self.next(entry, change, part), slot.replace(entry, by: new) else { return nil }
    let difference = (new.isUnmapped ? 0 : 1) &- (entry.isUnmapped ? 0 : 1)
    let (before, after) = table.unlock(changingUseCountBy: difference)
    guard level < PageTableFormat.rootLevel &- 1 else { return 0 }
    return (after == 0 ? 1 : 0) &- (before == 0 ? 1 : 0)
  }

  /// What an entry without a page becomes that leads to no table, if that is said at once.
  @inline(__always)
  private static func next(
    _ entry: PageTableEntry, _ change: RangeChange, _ part: RangePart
  ) -> PageTableEntry? {
    if part.level == 0 {
      guard entry.isUnmapped || entry.isReserved && !change.refusesOccupied else { return nil }
      return change.apply(to: entry, level: 0)
    }
    guard part.isAligned else { return nil }
    if entry.isUnmapped {
      return change.promise?.reserved(from: part.first, through: part.last) ?? entry
    }
    guard entry.isReserved else { return nil }
    if case .unmap = change.kind, entry == entry.reserved(from: part.first, through: part.last) {
      return .empty
    }
    if change.refusesOccupied && change.obstacle(in: entry, part) != nil { return nil }
    return part.isWhole ? change.apply(to: entry, level: part.level) : change.apply(to: entry, part)
  }
}
