import Locking
import Machine
import PhysicalMemory

extension AddressSpace {
  /// Gets all pages of a range that is mapped, as accesses to them would, so that none of these faults.
  /// All memory is taken before the first page appears: without enough of it nothing changes, unless
  /// other CPUs discard or map pages in the same range meanwhile.
  ///
  /// No lock is taken but the frame allocator's, and threads may be preempted.
  public func populate(at start: UInt64, byteCount: UInt64) throws(AddressSpaceError) {
    try populate(from: start, to: try check(start, byteCount))
  }

  func populate(from start: UInt64, to end: UInt64) throws(AddressSpaceError) {
    var stock = PageStock(for: rootTable)
    defer { stock.free() }
    repeat {
      var needs = PageNeeds(limit: frames.pointee.freeFrameCount)
      try forEachTable(from: start, to: end) { needs.add($0, $1, areaKinds) }
      try allocate(needs, for: &stock)
      // If it is not enough, others have discarded or mapped pages since they were counted.
    } while try !fill(from: start, to: end, &stock)
  }

  private func allocate(
    _ needs: PageNeeds, for stock: inout PageStock
  ) throws(AddressSpaceError) {
    do throws(FrameAllocatorError) { try stock.allocate(needs) } catch { throw .outOfMemory }
  }

  /// Puts what was taken where it is missing; returns whether it was enough.
  private func fill(
    from start: UInt64, to end: UInt64, _ stock: inout PageStock
  ) throws(AddressSpaceError) -> Bool {
    do throws(AddressSpaceError) {
      try forEachTable(from: start, to: end) { stock.fill($0, $1, areaKinds) }
      return true
    } catch {
      guard error == .outOfMemory else { throw error }
      return false
    }
  }

  /// Puts a promise in place of what is in a range, and gets all of its pages. All memory is taken before:
  /// without enough of it nothing changes.
  @inline(never)
  func replaceAndPopulate(
    _ promise: PageTableEntry, from start: UInt64, to end: UInt64
  ) throws(AddressSpaceError) {
    var stock = PageStock(for: rootTable)
    defer { stock.free() }
    var needs = PageNeeds(limit: frames.pointee.freeFrameCount)
    if case .refused(let error) = needs.add(promise, from: start, to: end, areaKinds) {
      throw error
    }
    try allocate(needs, for: &stock)
    try perform(RangeChange(.replace(promise)), from: start, to: end)
    do throws(AddressSpaceError) {
      if try fill(from: start, to: end, &stock) { return }
      // Others have discarded or mapped pages in the meantime.
      try populate(from: start, to: end)
    } catch {
      try unmap(at: start, byteCount: end &- start)
      throw error
    }
  }

  /// The same for a range that this call has just mapped: it is unmapped when there is no memory.
  @inline(never)
  func populate(mapped start: UInt64, _ end: UInt64) throws(AddressSpaceError) {
    do throws(AddressSpaceError) {
      try populate(from: start, to: end)
    } catch {
      try unmap(at: start, byteCount: end &- start)
      throw error
    }
  }

  /// Calls `body` for the lowest tables of a range, one after the other, each with the part of the range
  /// that is left; it returns how far it came, in an epoch section of its own for each.
  private func forEachTable(
    from start: UInt64, to end: UInt64, _ body: (TablePage, RangePart) -> PageWalk
  ) throws(AddressSpaceError) {
    var position = start
    while position < end {
      let walk = Epoch.shared.read {
        var table = rootTable
        var level = PageTableFormat.rootLevel
        while true {
          let entry = table[PageTableFormat.index(of: position, level: level)].load()
          guard entry.isTable(level: level) else { break }
          table = table.child(entry)
          level &-= 1
        }
        return body(table, RangePart(level: level, from: position, to: end))
      }
      switch walk {
      case .reached(let address): position = address
      case .refused(let error): throw error
      case .blocked: SpinWait.turn()
      }
    }
  }
}

/// How far a walk over the entries of a table came.
enum PageWalk {
  /// It goes on at an address.
  case reached(UInt64)
  /// A range operation is just changing an entry: to be tried again when others had their turn.
  case blocked
  /// There is nothing that a page could be got for.
  case refused(AddressSpaceError)

  /// What becomes of a walk at an entry that is neither a promise nor a page.
  init(stoppedAt entry: PageTableEntry, _ address: UInt64) {
    if entry.isChanging || entry.isDetached {
      self = .blocked
    } else {
      self = .refused(
        entry.isUnmapped ? .notMapped(address: address) : .inaccessible(address: address))
    }
  }
}

/// How much memory it takes to get all pages of a range.
struct PageNeeds {
  /// So many frames there are at most: of more it makes no sense to count.
  let limit: Int
  var pages = 0
  var largePages = 0
  /// Tables by level.
  var tables = InlineArray<3, Int>(repeating: 0)

  init(limit: Int) { self.limit = limit }

  /// Adds what is needed for the range in a table and what would be below it.
  mutating func add(
    _ table: TablePage, _ range: RangePart, _ kinds: borrowing AreaKinds
  ) -> PageWalk {
    if range.level == 0 { return addPages(table, range, kinds) }
    var part = range
    while part.goesOn {
      let entry = table[part.index].load()
      if entry.isTable(level: part.level) { return .reached(part.start) }
      if let end = add(entry, part, kinds) { return end }
      if part.isLastOfTable { return .reached(part.end) }
      part.advance()
    }
    return .reached(range.start)
  }

  /// Adds what is needed for a range that will be promised as a whole, whatever tables there are.
  mutating func add(
    _ promise: PageTableEntry, from start: UInt64, to end: UInt64, _ kinds: borrowing AreaKinds
  ) -> PageWalk? {
    var part = RangePart(level: PageTableFormat.rootLevel, from: start, to: end)
    while part.goesOn {
      if let end = add(promise, part, kinds) { return end }
      part.advance()
    }
    // Where a table stays, small pages do, and need no other one: see `PageStock`.
    tables[PageTableFormat.largestPageLevel &- 1] &+= largePages
    return nil
  }

  private mutating func addPages(
    _ table: TablePage, _ range: RangePart, _ kinds: borrowing AreaKinds
  ) -> PageWalk {
    var slot = table[range.index]
    let last = table[range.endIndex]
    var count = 0
    while slot != last {
      let entry = slot.load()
      if entry.isAccessiblePromise {
        if entry.area == 0 || needsPage(entry, range.address(of: slot, in: table), kinds) {
          count &+= 1
        }
      } else if !entry.isPresent {
        return PageWalk(stoppedAt: entry, range.address(of: slot, in: table))
      }
      slot = slot.next
    }
    pages &+= count
    return .reached(range.address(of: last, in: table))
  }

  /// Whether the page of a named area takes memory, or is there already.
  @inline(never)
  private func needsPage(
    _ entry: PageTableEntry, _ address: UInt64, _ kinds: borrowing AreaKinds
  ) -> Bool {
    kinds.backing(of: entry.area)?.directPage(of: entry, at: address, level: 0) == nil
  }

  private mutating func add(
    _ entry: PageTableEntry, _ part: RangePart, _ kinds: borrowing AreaKinds
  ) -> PageWalk? {
    if entry.isPresent { return nil }
    if pages &+ largePages &* PageTableFormat.entryCount > limit { return .refused(.outOfMemory) }
    let isLarge = entry.isLargePagePromise(level: part.level) && part.isWhole
    guard entry.isReserved, part.level > 0 && !isLarge || !entry.allowed.contains(.inaccessible)
    else { return PageWalk(stoppedAt: entry, part.start) }
    let backing = kinds.backing(of: entry.area)
    if let backing, !entry.allowed.contains(.inaccessible), part.level == 0 || part.isWhole,
      backing.directPage(of: entry, at: part.start, level: part.level) != nil
    {
      return nil
    }
    if part.level == 0 {
      pages &+= 1
    } else if isLarge && backing == nil {
      largePages &+= 1
    } else {
      tables[part.level &- 1] &+= 1
      var below = RangePart(level: part.level &- 1, from: part.start, to: part.end)
      while below.goesOn {
        if let end = add(entry.part(below.index, level: part.level), below, kinds) { return end }
        below.advance()
      }
    }
    return nil
  }
}

extension PageTableEntry {
  /// Whether a promise is filled with a large page if there is one.
  @inline(__always)
  func isLargePagePromise(level: Int) -> Bool {
    level == PageTableFormat.largestPageLevel && isReserved && prefersLargePages
      && isWhollyReserved
  }
}
