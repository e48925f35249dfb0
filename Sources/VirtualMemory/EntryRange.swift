import Machine
import PhysicalMemory

/// What one entry of the page tables says, and of which addresses.
struct EntryRange {
  let entry: PageTableEntry
  let level: Int
  let start: UInt64
  /// One more than the last address.
  let end: UInt64

  /// What is found at `address` on the way from `root`. No lock: it was so at one moment. In an epoch
  /// section.
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
        let span = PageTableFormat.span(level: level)
        let start = address & ~(span &- 1)
        self.level = level
        if level > 0 && entry.isReserved && !entry.isWhollyReserved {
          let unit = PageTableFormat.span(level: level - 1)
          let first = start &+ UInt64(entry.firstReserved) &* unit
          let last = start &+ UInt64(entry.lastReserved + 1) &* unit
          let isPromised = address >= first && address < last
          self.entry = isPromised ? entry : .empty
          self.start = address < first ? start : isPromised ? first : last
          end = address < first ? first : isPromised ? last : start &+ span
        } else {
          self.entry = entry
          self.start = start
          end = start &+ span
        }
        return
      }
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
