import Machine
import PhysicalMemory

/// What one entry of the page tables says, and of which addresses: of a promise for a part, those that
/// it is for, or those in front of or behind them.
struct EntryRange {
  let entry: PageTableEntry
  let level: Int
  let start: UInt64
  /// One more than the last address.
  let end: UInt64

  /// What is found at `address` on the way from `root`. No lock: it was so at one moment. In an epoch
  /// section.
  @inline(never)
  init(at address: UInt64, in root: TablePage) {
    var table = root
    var level = PageTableFormat.rootLevel
    while true {
      let entry = table[PageTableFormat.index(of: address, level: level)].load()
      if entry.isTable(level: level) {
        table = table.child(entry)
        level -= 1
      } else if entry.isDetached {
        // Whoever removed the table has changed what led to it before.
        table = root
        level = PageTableFormat.rootLevel
      } else {
        self.init(entry, at: address, level: level)
        return
      }
    }
  }

  private init(_ entry: PageTableEntry, at address: UInt64, level: Int) {
    self.level = level
    let span = PageTableFormat.span(level: level)
    let start = address & ~(span &- 1)
    guard level > 0, entry.isReserved, !entry.isWhollyReserved else {
      self.entry = entry
      self.start = start
      end = start &+ span
      return
    }
    let partSpan = PageTableFormat.span(level: level - 1)
    let first = start &+ UInt64(entry.firstReserved) &* partSpan
    let behind = start &+ UInt64(entry.lastReserved &+ 1) &* partSpan
    if address < first {
      (self.entry, self.start, end) = (.empty, start, first)
    } else if address < behind {
      (self.entry, self.start, end) = (entry, first, behind)
    } else {
      (self.entry, self.start, end) = (.empty, behind, start &+ span)
    }
  }

  /// What the pages are. Of pages that an operation is just changing, what they will be.
  var meaning: PageMeaning? {
    let entry = entry.isChanging ? entry.changed : entry
    if entry.isUnmapped { return nil }
    return PageMeaning(area: entry.area, permissions: entry.allowed)
  }

  /// Bytes of memory in it.
  var residentByteCount: UInt64 { entry.hasFrame && !entry.isChanging ? end &- start : 0 }
}

/// What pages must have in common to be one area.
struct PageMeaning: Equatable {
  let area: Int
  let permissions: PagePermissions
}
