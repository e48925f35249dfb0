import Machine

/// The lowest table that covers a range, locked: where an operation on the range begins.
struct CoveringTable {
  let table: TablePage
  let level: Int

  /// Locks the table, on the way from `root`. In an epoch section that ends after the lock does.
  @inline(__always)
  init(from start: UInt64, to end: UInt64, root: TablePage) {
    let differing = start ^ (end &- 1)
    while true {
      var table = root
      var level = PageTableFormat.rootLevel
      var shift = PageTableFormat.shift(level: PageTableFormat.rootLevel)
      while level > 0, differing &>> shift == 0 {
        let entry = table[Int(truncatingIfNeeded: start &>> shift) & 511].load()
        guard entry.isTable else { break }
        table = table.child(entry)
        level &-= 1
        shift &-= 9
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

  /// The same where it is not worth code of its own.
  @inline(never)
  static func find(from start: UInt64, to end: UInt64, root: TablePage) -> CoveringTable {
    CoveringTable(from: start, to: end, root: root)
  }

  // Most of what is mapped and unmapped lies in one entry, has no page, and needs no table: no other CPU
  // remembers any of it. These unlock the table if they did it all; they return how many more empty
  // tables there are, -1 to 1, and `nil` if nothing is done yet, also because of what is in the way.

  /// Puts a promise where nothing is, or adds to one that is equal and ends where it begins.
  @inline(__always)
  func reserveInOneEntry(
    _ promise: PageTableEntry, from start: UInt64, to end: UInt64
  ) -> Int? {
    guard let slot = slot(from: start, to: end) else { return nil }
    let entry = slot.load()
    if level == 0 {
      guard entry.isUnmapped else { return nil }
      slot.store(promise.preferringLargePages(false))
    } else {
      let part = RangePart(level: level, from: start, to: end)
      guard part.isAligned else { return nil }
      let (first, last) = (part.first, part.last)
      if entry.isUnmapped {
        slot.store(promise.reserved(from: first, through: last))
      } else {
        guard entry.whollyReserved == promise, entry.lastReserved == first &- 1,
          slot.replace(entry, by: promise.reserved(from: entry.firstReserved, through: last))
        else { return nil }
        table.unlock()
        return 0
      }
    }
    return unlock(changingUseCountBy: 1)
  }

  /// Takes a promise away, or its end.
  @inline(__always)
  func unmapInOneEntry(from start: UInt64, to end: UInt64) -> Int? {
    guard let slot = slot(from: start, to: end) else { return nil }
    let entry = slot.load()
    guard entry.isReserved else { return nil }
    if level > 0 {
      let part = RangePart(level: level, from: start, to: end)
      guard part.isAligned, entry.lastReserved == part.last else { return nil }
      let (first, kept) = (part.first, entry.firstReserved)
      if kept < first {
        guard slot.replace(entry, by: entry.reserved(from: kept, through: first &- 1)) else {
          return nil
        }
        table.unlock()
        return 0
      }
      guard kept == first else { return nil }
    }
    return slot.replace(entry, by: .empty) ? unlock(changingUseCountBy: -1) : nil
  }

  /// The entry that the whole range lies in.
  @inline(__always)
  private func slot(from start: UInt64, to end: UInt64) -> TableSlot? {
    let index = PageTableFormat.index(of: start, level: level)
    return index == PageTableFormat.index(of: end &- 1, level: level) ? table[index] : nil
  }

  @inline(__always)
  private func unlock(changingUseCountBy change: Int) -> Int {
    let (before, after) = table.unlock(changingUseCountBy: change)
    guard level < PageTableFormat.rootLevel &- 1 else { return 0 }
    return (after == 0 ? 1 : 0) &- (before == 0 ? 1 : 0)
  }
}
