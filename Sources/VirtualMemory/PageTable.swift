import Boot
import Machine
import PhysicalMemory

/// A tree of page tables, reached through the window on physical memory. No lock.
///
/// A table page that a change needs is taken from the frame allocator. When there is none left,
/// the change stops where it is and throws; what was changed until then stays.
struct PageTable {
  let root: UInt64

  /// The entries of the table at a physical address.
  @inline(__always)
  private static func entries(of table: UInt64) -> UnsafeMutablePointer<PageTableEntry>? {
    PhysicalMemoryWindow.pointer(to: table)?.assumingMemoryBound(to: PageTableEntry.self)
  }

  /// The entry that maps `address`, and its level; the entry is empty where nothing is mapped.
  func lookUp(_ address: UInt64) -> (entry: PageTableEntry, level: Int) {
    var table = root
    var level = PageTableFormat.rootLevel
    while true {
      guard let entries = Self.entries(of: table) else { return (.empty, level) }
      let entry = entries[PageTableFormat.index(of: address, level: level)]
      if !entry.isPresent || entry.isPage(level: level) { return (entry, level) }
      table = entry.address
      level -= 1
    }
  }

  /// Makes every page of the range map what `mapping` says, in the largest pages that fit; a
  /// larger page that lies in the range only in part is split before. Borders are page borders.
  /// Frames are needed only to map where there is no table yet, and to split.
  func set(
    from start: UInt64, to end: UInt64, _ mapping: Mapping,
    largestLevel: Int = PageTableFormat.largestPageLevel
  ) throws(FrameAllocatorError) {
    guard start < end else { return }
    try Self.set(
      from: start, to: end, mapping, largestLevel: largestLevel, table: root,
      level: PageTableFormat.rootLevel)
  }

  /// What a range of addresses is to lead to.
  enum Mapping {
    /// Physical memory: an address plus this distance.
    case physical(distance: UInt64, PagePermissions)
    /// Whatever it leads to already, but with these permissions.
    case same(PagePermissions)
    case nothing

    /// Whether addresses that lead nowhere stay as they are.
    var leavesHoles: Bool {
      if case .physical = self { false } else { true }
    }

    /// Gives `count` entries from `slot` on, the first of which covers `address`, this meaning.
    func write(
      to slot: UnsafeMutablePointer<PageTableEntry>, count: Int, address: UInt64, level: Int
    ) {
      switch self {
      case .physical(let distance, let permissions):
        var entry = PageTableEntry(page: address &+ distance, permissions, level: level)
        for index in 0..<count {
          slot[index] = entry
          entry.rawValue &+= PageTableFormat.span(level: level)
        }
      case .same(let permissions):
        for index in 0..<count where slot[index].isPresent {
          slot[index] = PageTableEntry(page: slot[index].address, permissions, level: level)
        }
      case .nothing:
        slot.update(repeating: .empty, count: count)
      }
    }
  }

  private static func set(
    from start: UInt64, to end: UInt64, _ mapping: Mapping, largestLevel: Int, table: UInt64,
    level: Int
  ) throws(FrameAllocatorError) {
    guard let entries = entries(of: table) else { return }
    let span = PageTableFormat.span(level: level)
    let slots = entries + PageTableFormat.index(of: start, level: level)
    if level == 0 {
      let count = Int((end - start) / span)
      // What was not there cannot be remembered (volume 3, 4.10.2.3).
      let wasPresent = UnsafeBufferPointer(start: slots, count: count).contains { $0.isPresent }
      mapping.write(to: slots, count: count, address: start, level: 0)
      if wasPresent { forget(from: start, count: count, span: span) }
      return
    }
    var address = start
    var slot = slots
    while address < end {
      let next = Swift.min((address & ~(span - 1)) &+ span, end)
      let leadsOn = slot.pointee.isPresent && !slot.pointee.isPage(level: level)
      if !slot.pointee.isPresent && mapping.leavesHoles {
        // Nothing to do in all of what this entry covers.
      } else if !leadsOn && level <= largestLevel && next &- address == span {
        let wasPresent = slot.pointee.isPresent
        mapping.write(to: slot, count: 1, address: address, level: level)
        if wasPresent { AddressTranslation.forget(address) }
      } else {
        if !leadsOn { slot.pointee = try makeTable(splitting: slot.pointee, level: level) }
        try set(
          from: address, to: next, mapping, largestLevel: largestLevel,
          table: slot.pointee.address, level: level - 1)
      }
      address = next
      slot += 1
    }
  }

  /// Makes this CPU forget pages one by one, or everything where that is less work.
  private static func forget(from start: UInt64, count: Int, span: UInt64) {
    if count > 16 {
      AddressTranslation.forgetAll()
    } else {
      for index in 0..<UInt64(count) { AddressTranslation.forget(start + index * span) }
    }
  }

  /// A new table that maps the same as `entry` did, in pages of the level below.
  private static func makeTable(
    splitting entry: PageTableEntry, level: Int
  ) throws(FrameAllocatorError) -> PageTableEntry {
    let table = try FrameAllocator.shared.allocate().rawValue
    guard let entries = entries(of: table) else { throw .outOfFrames }
    guard entry.isPresent else {
      entries.update(repeating: .empty, count: PageTableFormat.entryCount)
      return PageTableEntry(table: table)
    }
    let span = PageTableFormat.span(level: level - 1)
    var page = PageTableEntry(page: entry.address, entry.permissions, level: level - 1)
    for index in 0..<PageTableFormat.entryCount {
      entries[index] = page
      page.rawValue &+= span
    }
    return PageTableEntry(table: table)
  }
}
