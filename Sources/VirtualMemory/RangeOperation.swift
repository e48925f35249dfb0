import Boot
import Machine
import PhysicalMemory

/// One change of a range of addresses, from the first lock to the last.
///
/// The lowest table that covers the range is locked, and below it each table before its entries are
/// looked at, parents first and in the order of addresses; so no two operations wait for each other.
/// All locks are kept until no CPU remembers what was changed: an operation that comes next and
/// finds nothing to do may rely on that. What is taken away stays in its entry meanwhile, marked as
/// changing. Modelled in `Models/AddressSpace.pml`.
///
/// There are three walks over the range. `prepare` locks, and makes all tables that are needed: it
/// alone can fail, and then nothing has changed. `apply` changes entries. `finish` frees what is gone,
/// and unlocks.
///
/// Preemption is off and the CPU is in an epoch section, from before `init` until after `finish`;
/// interrupts are as the caller has them.
struct RangeOperation: ~Copyable {
  let change: RangeChange
  let start: UInt64
  let end: UInt64
  private let cover: TablePage
  private let coverLevel: Int
  /// Some CPU may remember more than is left.
  private(set) var isStale = false
  /// The CPUs that have copies of what was changed, where the entries know them.
  private(set) var holders: UInt64 = 0
  /// Some entries are marked as changing.
  private var isUnfinished = false
  /// Whether something in the range was mapped when `prepare` came.
  private(set) var wasOccupied = false

  /// Locks the lowest table on the way from `root` that covers a range of whole pages.
  @inline(__always)
  init(_ change: RangeChange, from start: UInt64, to end: UInt64, root: TablePage) {
    self.change = change
    self.start = start
    self.end = end
    while true {
      var table = root
      var level = PageTableFormat.rootLevel
      while level > 0, start ^ (end &- 1) < PageTableFormat.span(level: level),
        // A table that goes as a whole is taken out of the one above.
        !(change.removesTables && end &- start == PageTableFormat.span(level: level))
      {
        let entry = table[PageTableFormat.index(of: start, level: level)].load()
        guard entry.isPresent, !entry.isPage(level: level) else { break }
        table = table.child(entry)
        level -= 1
      }
      table.lock()
      if !table.isDetached {
        cover = table
        coverLevel = level
        return
      }
      table.unlock()
    }
  }

  // MARK: First walk

  /// Locks all tables of the range and makes those that are missing. On an error `finish` must
  /// follow; no address has another meaning than before.
  @inline(__always)
  mutating func prepare() throws(FrameAllocatorError) {
    if coverLevel == 0 && !change.mapsUnmapped { return }
    try prepare(cover, level: coverLevel, from: start, to: end)
  }

  private mutating func prepare(
    _ table: TablePage, level: Int, from start: UInt64, to end: UInt64
  ) throws(FrameAllocatorError) {
    var part = RangeParts(level: level, from: start, to: end)
    while part.goesOn {
      let slot = table[part.index]
      let entry = slot.load()
      if entry.isTable(level: level) {
        if !(part.isWhole && change.removesTables) {
          try prepareBelow(entry, level: level, part)
        }
      } else {
        if !entry.isUnmapped { wasOccupied = true }
        if !part.isWhole && (!entry.isUnmapped || change.mapsUnmapped) {
          guard try split(slot, entry, of: table, level: level) else { continue }
          try prepareBelow(slot.load(), level: level, part)
        }
      }
      part.advance()
    }
  }

  private mutating func prepareBelow(
    _ entry: PageTableEntry, level: Int, _ part: RangeParts
  ) throws(FrameAllocatorError) {
    let child = cover.child(entry)
    child.lock()
    if level > 1 || change.mapsUnmapped {
      try prepare(child, level: level - 1, from: part.start, to: part.end)
    }
  }

  /// Puts a table that means the same in place of an entry; returns whether the entry was still that:
  /// a fault may have been there first.
  private mutating func split(
    _ slot: TableSlot, _ entry: PageTableEntry, of parent: TablePage, level: Int
  ) throws(FrameAllocatorError) -> Bool {
    let table = try TablePage.make(splitting: entry, level: level, of: parent)
    guard slot.replace(entry, by: PageTableEntry(table: table.address)) else {
      table.free()
      return false
    }
    if entry.isUnmapped { parent.changeUseCount(by: 1) }
    // The large page may be remembered as one, beside its parts (volume 3, 4.10.2.4).
    if entry.isPresent { noteStale(slot, level: level) }
    return true
  }

  /// Whether the range is all that one table covers, and that is empty: it stays so, since its lock is
  /// kept.
  mutating func holdsEmptyTable() -> Bool {
    let entry = cover[PageTableFormat.index(of: start, level: coverLevel)].load()
    guard entry.isTable(level: coverLevel) else { return false }
    let table = cover.child(entry)
    table.lock()
    if table.useCount == 0 { return true }
    table.unlock()
    return false
  }

  // MARK: Second walk

  /// Changes all entries of the range.
  @inline(__always)
  mutating func apply() { apply(to: cover, level: coverLevel, from: start, to: end) }

  private mutating func apply(to table: TablePage, level: Int, from start: UInt64, to end: UInt64) {
    var part = RangeParts(level: level, from: start, to: end)
    var uses = 0
    while part.goesOn {
      let slot = table[part.index]
      let entry = slot.load()
      if entry.isTable(level: level) {
        if part.isWhole && change.removesTables {
          remove(slot, entry, level: level)
        } else {
          let child = table.child(entry)
          // A fault made it, after the first walk.
          if !child.isHeldHere { child.lock() }
          apply(to: child, level: level - 1, from: part.start, to: part.end)
        }
      } else if !(entry.isUnmapped && !change.mapsUnmapped) {
        let new = change.apply(to: entry, level: level)
        // A fault may turn a promise into a page, or a table, at any time.
        guard new == entry || slot.replace(entry, by: new) else { continue }
        if RangeChange.isLess(new, than: entry) {
          noteStale(slot, level: level, isKept: new.isPresent && change.keptPermissions != nil)
        }
        if new.isChanging { isUnfinished = true }
        uses &+= (new.isUnmapped ? 0 : 1) &- (entry.isUnmapped ? 0 : 1)
      }
      part.advance()
    }
    table.changeUseCount(by: uses)
  }

  /// Takes a table out of the tree, before its entries are marked: who starts again from the root must
  /// not come back to it.
  private mutating func remove(_ slot: TableSlot, _ entry: PageTableEntry, level: Int) {
    _ = slot.exchange(entry.changing(to: .empty, isTable: true))
    noteStale(slot, level: level)
    isUnfinished = true
    let table = cover.child(entry)
    if !table.isHeldHere { table.lock() }
    for index in 0..<PageTableFormat.entryCount {
      let slot = table[index]
      while true {
        let entry = slot.load()
        if entry.isTable(level: level - 1) {
          remove(slot, entry, level: level - 1)
          break
        }
        // Pages are kept in their marks until no CPU remembers them.
        if slot.replace(entry, by: entry.detachedWithPage) {
          if entry.isPresent { noteStale(slot, level: level - 1) }
          break
        }
      }
    }
    table.detach()
    table.unlock()
  }

  /// Notes that some CPU may have more than an entry says since it was changed, just before. If the
  /// page is kept, those that have a copy keep it, too.
  @inline(__always)
  private mutating func noteStale(_ slot: TableSlot, level: Int, isKept: Bool = false) {
    isStale = true
    if level == PageTableFormat.rootLevel
      || cover.hasHolders && level <= PageTableFormat.largestPageLevel
    {
      holders |= isKept ? slot.currentHolders() : slot.takeHolders()
    }
  }

  // MARK: Third walk

  /// Frees what is gone, when no CPU remembers it any more, and lets all locks go. Removed tables go
  /// to `retire`, to be freed when no CPU can be on its way through them.
  ///
  /// - Returns: The level of the table that covers the range if nothing is left in it.
  @inline(__always)
  consuming func finish(retire: (TablePage) -> Void) -> Int? {
    if coverLevel > 0 || isUnfinished {
      Self.finish(cover, level: coverLevel, from: start, to: end, isUnfinished, retire)
    }
    let isEmpty = change.removesTables && cover.useCount == 0
    cover.unlock()
    return isEmpty && coverLevel < PageTableFormat.rootLevel ? coverLevel : nil
  }

  private static func finish(
    _ table: TablePage, level: Int, from start: UInt64, to end: UInt64, _ isUnfinished: Bool,
    _ retire: (TablePage) -> Void
  ) {
    if level == 0 && !isUnfinished { return }
    var part = RangeParts(level: level, from: start, to: end)
    var uses = 0
    while part.goesOn {
      let slot = table[part.index]
      let entry = slot.load()
      if entry.isChanging {
        let changed = entry.changed
        slot.store(changed)
        if changed.isUnmapped { uses &-= 1 }
        release(entry, level: level, of: table.frames, retire)
      } else if entry.isTable(level: level) {
        let child = table.child(entry)
        // After an error in `prepare` there may be tables that were not reached.
        if child.isHeldHere {
          finish(child, level: level - 1, from: part.start, to: part.end, isUnfinished, retire)
          child.unlock()
        }
      }
      part.advance()
    }
    table.changeUseCount(by: uses)
  }

  /// Frees the page that an entry kept, or the removed table and all pages below it.
  private static func release(
    _ entry: PageTableEntry, level: Int, of frames: UnsafePointer<FrameAllocator>,
    _ retire: (TablePage) -> Void
  ) {
    guard entry.hasFrame else { return }
    if entry.isChanging && entry.wasTable {
      let table = TablePage(entry.address, of: frames)
      for index in 0..<PageTableFormat.entryCount {
        release(table[index].load(), level: level - 1, of: frames, retire)
      }
      retire(table)
    } else if !entry.isForeign {
      frames.pointee.free(
        PhysicalAddress(entry.address), count: Int(PageTableFormat.span(level: level) / 4096))
    }
  }
}

/// The parts of a range that the entries of one table cover, one after the other.
struct RangeParts {
  private let span: UInt64
  private let rangeEnd: UInt64
  private(set) var index: Int
  private(set) var start: UInt64
  /// One more than the last address.
  private(set) var end: UInt64

  @inline(__always)
  init(level: Int, from start: UInt64, to end: UInt64) {
    span = PageTableFormat.span(level: level)
    rangeEnd = end
    index = PageTableFormat.index(of: start, level: level)
    self.start = start
    self.end = Swift.min((start & ~(span &- 1)) &+ span, end)
  }

  @inline(__always)
  var goesOn: Bool { start < rangeEnd }

  /// Whether the entry covers nothing but the part.
  @inline(__always)
  var isWhole: Bool { end &- start == span }

  @inline(__always)
  mutating func advance() {
    index &+= 1
    start = end
    end = Swift.min(end &+ span, rangeEnd)
  }
}

extension PageTableEntry {
  /// Whether an entry at `level` leads to a table of the level below.
  @inline(__always)
  func isTable(level: Int) -> Bool { level > 0 && isPresent && !isPage(level: level) }
}
