import Boot
import Machine
import PhysicalMemory

/// Zeroed pages, and memory for tables, taken ahead for a range.
struct PageStock {
  private let root: TablePage
  private var pages = FrameList()
  private var largePages = FrameList()
  private var tables = InlineArray<3, FrameList>(repeating: FrameList())

  /// For a range in the tree of `root`.
  init(for root: TablePage) { self.root = root }

  private var frames: UnsafePointer<FrameAllocator> { root.frames }

  /// Takes what is needed and not there yet. Where there are no large pages small ones do. Interrupts
  /// as they were; on an error all that was taken is still to be freed.
  mutating func allocate(_ needs: PageNeeds) throws(FrameAllocatorError) {
    var needs = needs
    let largeCount = 1 << (9 * PageTableFormat.largestPageLevel)
    while largePages.count < needs.largePages {
      guard let page = try? frames.pointee.allocateZeroed(count: largeCount) else {
        let missing = needs.largePages - largePages.count
        needs.pages += missing * largeCount
        needs.tables[PageTableFormat.largestPageLevel - 1] += missing
        break
      }
      largePages.push(page.rawValue)
    }
    for level in 0..<PageTableFormat.rootLevel {
      while tables[level].count < needs.tables[level] {
        tables[level].push(try TablePage.allocate(level: level, of: root).address)
      }
    }
    while pages.count < needs.pages {
      pages.push(try frames.pointee.allocateZeroed().rawValue)
    }
  }

  /// Frees what is left.
  mutating func free() {
    while let page = pages.pop() { frames.pointee.free(PhysicalAddress(page)) }
    while let page = largePages.pop() {
      frames.pointee.free(
        PhysicalAddress(page), count: 1 << (9 * PageTableFormat.largestPageLevel))
    }
    for level in 0..<PageTableFormat.rootLevel {
      while let table = tables[level].pop() { root.table(at: table).free() }
    }
  }

  // MARK: Filling

  /// Turns the promises of a table's part of a range into pages, or the first one above level 0 into a
  /// table. Like a fault: without locks, by a compare-and-swap for each. In an epoch section.
  mutating func fill(
    _ table: TablePage, _ range: RangePart, _ kinds: borrowing AreaKinds
  ) -> PageWalk {
    if range.level == 0 { return fillPages(of: table, range, kinds) }
    return fillAbove(table, range, kinds)
  }

  private mutating func fillPages(
    of table: TablePage, _ range: RangePart, _ kinds: borrowing AreaKinds
  ) -> PageWalk {
    var slot = table[range.index]
    let last = table[range.endIndex]
    while slot != last {
      let entry = slot.load()
      if entry.isAccessiblePromise {
        let isFilled =
          entry.area == 0
          ? fillPage(slot, entry, level: 0, from: &pages)
          : fillNamedPage(slot, entry, range.address(of: slot, in: table), kinds)
        guard isFilled || divideLargePage() else { return .refused(.outOfMemory) }
      } else if !entry.isPresent {
        return PageWalk(stoppedAt: entry, range.address(of: slot, in: table))
      } else {
        slot = slot.next
      }
    }
    return .reached(range.address(of: last, in: table))
  }

  /// Makes small pages of a large one, which has found no place; returns whether there was one.
  @inline(never)
  private mutating func divideLargePage() -> Bool {
    guard let page = largePages.pop() else { return false }
    // The lowest address last: it is taken out first.
    var count = 1 << (9 * PageTableFormat.largestPageLevel)
    while count > 0 {
      count -= 1
      pages.push(page + UInt64(count) * FrameAllocator.frameSize)
    }
    return true
  }

  /// The same above the lowest level, as far as the first table.
  private mutating func fillAbove(
    _ table: TablePage, _ range: RangePart, _ kinds: borrowing AreaKinds
  ) -> PageWalk {
    var part = range
    while true {
      let slot = table[part.index]
      let entry = slot.load()
      if entry.isTable(level: part.level) { return .reached(part.start) }
      if !entry.isPresent {
        if entry.isReserved && !entry.isWhollyReserved {
          let first = PageTableFormat.index(of: part.start, level: part.level - 1)
          if first < entry.firstReserved || first > entry.lastReserved {
            return .refused(.notMapped(address: part.start))
          }
        }
        guard entry.isReserved, !entry.allowed.contains(.inaccessible) else {
          return PageWalk(stoppedAt: entry, part.start)
        }
        let isFilled =
          if let backing = kinds.backing(of: entry.area) {
            fillContents(slot, entry, part.start, level: part.level, isWhole: part.isWhole, backing)
          } else if entry.isLargePagePromise(level: part.level) && part.isWhole
            && largePages.count > 0
          {
            fillPage(slot, entry, level: part.level, from: &largePages)
          } else {
            makeTable(slot, entry, level: part.level)
          }
        return isFilled ? .reached(part.start) : .refused(.outOfMemory)
      }
      if part.isLastOfTable { return .reached(part.end) }
      part.advance()
    }
  }

  /// The same for a page of an area whose kind has a number.
  @inline(never)
  private mutating func fillNamedPage(
    _ slot: TableSlot, _ promise: PageTableEntry, _ address: UInt64, _ kinds: borrowing AreaKinds
  ) -> Bool {
    if let backing = kinds.backing(of: promise.area) {
      return fillContents(slot, promise, address, level: 0, isWhole: true, backing)
    }
    return fillPage(slot, promise, level: 0, from: &pages)
  }

  /// The same where contents come from physical memory that is there already.
  @inline(never)
  private mutating func fillContents(
    _ slot: TableSlot, _ promise: PageTableEntry, _ address: UInt64, level: Int, isWhole: Bool,
    _ backing: AreaKind.Backing
  ) -> Bool {
    if isWhole, let page = backing.directPage(of: promise, at: address, level: level) {
      // If it is another one by now, somebody else was faster.
      _ = slot.replace(promise, by: page)
      return true
    }
    if level > 0 { return makeTable(slot, promise, level: level) }
    guard let frame = pages.pop() else { return false }
    backing.fill(frame, at: address)
    let page = PageTableEntry(
      page: frame, promise.allowed, level: 0, area: promise.area, isForeign: false)
    if !slot.replace(promise, by: page) {
      // The stock's pages are zero.
      PhysicalMemoryWindow.zero(frame, byteCount: Int(FrameAllocator.frameSize))
      pages.push(frame)
    }
    return true
  }

  /// Returns whether there was a page to put in place of the promise.
  @inline(__always)
  private func fillPage(
    _ slot: TableSlot, _ promise: PageTableEntry, level: Int, from list: inout FrameList
  ) -> Bool {
    guard let page = list.pop() else { return false }
    let entry = PageTableEntry(
      page: page, promise.allowed, level: level, area: promise.area, isForeign: false)
    if !slot.replace(promise, by: entry) { list.push(page) }
    return true
  }

  private mutating func makeTable(
    _ slot: TableSlot, _ promise: PageTableEntry, level: Int
  ) -> Bool {
    guard let address = tables[level - 1].pop() else { return false }
    let table = root.table(at: address)
    table.fill(splitting: promise, level: level, isHeld: false)
    if !slot.replace(promise, by: PageTableEntry(table: address)) {
      table.clearUseCount()
      tables[level - 1].push(address)
    }
    return true
  }
}

/// Frames, linked through their first words, which are zero again when a frame is taken out.
struct FrameList {
  private var first: UInt64 = 0
  private(set) var count = 0

  @inline(__always)
  private func link(_ address: UInt64) -> UnsafeMutablePointer<UInt64> {
    PhysicalMemoryWindow.pointer(to: address).unsafelyUnwrapped
      .assumingMemoryBound(to: UInt64.self)
  }

  @inline(__always)
  mutating func push(_ address: UInt64) {
    link(address).pointee = first
    first = address
    count &+= 1
  }

  @inline(__always)
  mutating func pop() -> UInt64? {
    guard count > 0 else { return nil }
    let address = first
    first = link(address).pointee
    link(address).pointee = 0
    count &-= 1
    return address
  }
}
