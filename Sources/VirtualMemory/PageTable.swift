import Boot
import Machine
import PhysicalMemory

/// A tree of page tables, reached through the window on physical memory. No lock.
///
/// A table page that a change needs is taken from the frame allocator. When there is none left,
/// the change stops where it is and throws; what was mapped until then stays valid.
struct PageTable {
  let root: UInt64

  /// The entries of the table at a physical address.
  private func entries(of table: UInt64) -> UnsafeMutablePointer<PageTableEntry>? {
    PhysicalMemoryWindow.pointer(to: table)?.assumingMemoryBound(to: PageTableEntry.self)
  }

  /// The entry that maps `address`, and its level; the entry is empty where nothing is mapped.
  func lookUp(_ address: UInt64) -> (entry: PageTableEntry, level: Int) {
    var table = root
    var level = PageTableFormat.rootLevel
    while true {
      guard let entries = entries(of: table) else { return (.empty, level) }
      let entry = entries[PageTableFormat.index(of: address, level: level)]
      if !entry.isPresent || entry.isPage(level: level) { return (entry, level) }
      table = entry.address
      level -= 1
    }
  }

  /// Calls `change` with the entry of each page that lies in the range, in the largest pieces
  /// that fit: a larger page that only lies in it in part is split before.
  func update(
    from start: UInt64, to end: UInt64, largestLevel: Int = PageTableFormat.largestPageLevel,
    _ change: (_ entry: inout PageTableEntry, _ address: UInt64, _ level: Int) -> Void
  ) throws(FrameAllocatorError) {
    var address = start
    while address < end {
      var table = root
      var level = PageTableFormat.rootLevel
      while true {
        guard let entries = entries(of: table) else { return }
        let span = PageTableFormat.span(level: level)
        let slot = entries + PageTableFormat.index(of: address, level: level)
        let fits = level <= largestLevel && address % span == 0 && end - address >= span
        let leadsOn = slot.pointee.isPresent && !slot.pointee.isPage(level: level)
        if fits, !leadsOn {
          change(&slot.pointee, address, level)
          AddressTranslation.forget(address)
          address += span
          break
        }
        if !leadsOn { slot.pointee = try makeTable(splitting: slot.pointee, level: level) }
        table = slot.pointee.address
        level -= 1
      }
    }
  }

  /// A new table that maps the same as `entry` did, in pages of the level below.
  private func makeTable(
    splitting entry: PageTableEntry, level: Int
  ) throws(FrameAllocatorError) -> PageTableEntry {
    let table = try FrameAllocator.shared.allocate().rawValue
    guard let entries = entries(of: table) else { throw .outOfFrames }
    let span = PageTableFormat.span(level: level - 1)
    for index in 0..<PageTableFormat.entryCount {
      entries[index] =
        entry.isPresent
        ? PageTableEntry(
          page: entry.address + UInt64(index) * span, entry.permissions, level: level - 1)
        : .empty
    }
    return PageTableEntry(table: table)
  }
}
