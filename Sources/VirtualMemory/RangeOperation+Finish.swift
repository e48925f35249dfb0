import Machine
import PhysicalMemory

/// The third walk of a range operation, when all CPUs have answered.
extension RangeOperation {
  /// Frees what is gone, when no CPU remembers it any more, and lets all locks go. Removed tables go
  /// to `retire`, to be freed when no CPU can be on its way through them.
  @inline(__always)
  consuming func finish(retire: (TablePage) -> Void) {
    if coverLevel > 0 || isUnfinished {
      var freed = FreedFrames(cover.frames)
      Self.finish(
        cover, RangePart(level: coverLevel, from: start, to: end), isUnfinished, &freed, retire)
      freed.flush()
    }
    cover.unlock()
  }

  private static func finish(
    _ table: TablePage, _ range: RangePart, _ isUnfinished: Bool, _ freed: inout FreedFrames,
    _ retire: (TablePage) -> Void
  ) {
    if range.level == 0 {
      if isUnfinished { finishPages(of: table, range, &freed) }
      return
    }
    var part = range
    while part.goesOn {
      let slot = table[part.index]
      let entry = slot.load()
      if entry.isChanging {
        slot.store(entry.changed)
        release(entry, level: part.level, of: table.frames, &freed, retire)
      } else if entry.isTable(level: part.level) {
        let child = table.child(entry)
        // Where something was in the way there may be tables that were not reached.
        if child.isHeldHere {
          finish(
            child, RangePart(level: part.level &- 1, from: part.start, to: part.end), isUnfinished,
            &freed, retire)
          child.unlock()
        }
      }
      part.advance()
    }
  }

  private static func finishPages(
    of table: TablePage, _ range: RangePart, _ freed: inout FreedFrames
  ) {
    var slot = table[range.index]
    let last = table[range.endIndex]
    while slot != last {
      let entry = slot.load()
      if entry.isVanishing {
        slot.store(.empty)
        freed.add(entry.address, count: 1)
      } else if entry.isChanging {
        slot.store(entry.changed)
        if !entry.isForeign { freed.add(entry.address, count: 1) }
      }
      slot = slot.next
    }
  }

  /// Frees the page that an entry kept, or the removed table and all those below it.
  @inline(__always)
  private static func release(
    _ entry: PageTableEntry, level: Int, of frames: UnsafePointer<FrameAllocator>,
    _ freed: inout FreedFrames, _ retire: (TablePage) -> Void
  ) {
    if entry.wasTable {
      releaseTable(TablePage(entry.address, of: frames), level: level &- 1, retire)
    } else if !entry.isForeign {
      freed.add(entry.address, count: 1 &<< (9 &* level))
    }
  }

  @inline(never)
  private static func releaseTable(
    _ table: TablePage, level: Int, _ retire: (TablePage) -> Void
  ) {
    var index = 0
    while level > 0 && index < PageTableFormat.entryCount {
      let entry = table[index].load()
      if entry.isChanging {
        releaseTable(table.child(entry), level: level - 1, retire)
      }
      index &+= 1
    }
    retire(table)
  }
}
