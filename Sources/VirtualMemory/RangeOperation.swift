import Boot
import Machine
import PhysicalMemory

/// One change of a range of addresses, from the first lock to the last.
///
/// The lowest table that covers the range is locked, and below it each table before its entries are
/// looked at, parents first and in the order of addresses; so no two operations wait for each other.
/// All locks are kept until no CPU remembers what was changed: an operation that comes next and
/// finds nothing to do may rely on that. What is taken away stays in its entry meanwhile, marked as
/// changing. Modelled in `Models/AddressSpace.pml` and `Models/MapBeside.pml`.
///
/// There are three walks over the range. `prepare` locks, and makes all tables that are needed, for
/// which all memory is taken before: it alone can fail for want of memory, and then nothing has changed.
/// `apply` changes entries; what it may find in the way it does not leave half done. `finish` frees what is
/// gone, and unlocks.
///
/// Preemption is off and the CPU is in an epoch section, from before `init` until after `finish`;
/// interrupts are as the caller has them.
struct RangeOperation: ~Copyable {
  private(set) var change: RangeChange
  let start: UInt64
  let end: UInt64
  let cover: TablePage
  let coverLevel: Int
  /// Some CPU may remember more than is left.
  private(set) var isStale = false
  /// The CPUs that have copies of what was changed, where the tables know them.
  private(set) var holders: UInt64 = 0
  /// Some entries are marked as changing.
  private(set) var isUnfinished = false
  /// Where what is in the way ends, of an operation that refuses to have anything there.
  private(set) var obstacleEnd: UInt64?
  /// The address that the second walk reached when it found something in the way.
  private var refusedAt: UInt64 = 0
  /// How many tables became empty, less those that were and are not any more.
  private(set) var emptiedTableCount = 0
  private var spares = SpareTables()

  /// An operation on a range of whole pages, whose lowest covering table is locked.
  init(_ change: RangeChange, from start: UInt64, to end: UInt64, in cover: CoveringTable) {
    self.change = change
    self.start = start
    self.end = end
    self.cover = cover.table
    coverLevel = cover.level
  }

  // MARK: First walk

  /// Locks all tables of the range and makes those that are missing. On an error, or if something is in
  /// the way, `finish` must follow; no address has another meaning than before.
  @inline(__always)
  mutating func prepare() throws(FrameAllocatorError) {
    if coverLevel == 0 && !change.refusesOccupied { return }
    prepare(cover, RangePart(level: coverLevel, from: start, to: end))
    if obstacleEnd == nil && spares.hasWishes { try makeTables() }
  }

  /// Gets the memory for tables, and walks again: faults may have made some of them meanwhile, so it
  /// may take more than one turn.
  @inline(never)
  private mutating func makeTables() throws(FrameAllocatorError) {
    repeat {
      do throws(FrameAllocatorError) {
        try spares.allocate(of: cover)
      } catch {
        spares.free()
        throw error
      }
      prepare(cover, RangePart(level: coverLevel, from: start, to: end))
    } while obstacleEnd == nil && spares.hasWishes
    spares.free()
  }

  private mutating func prepare(_ table: TablePage, _ range: RangePart) {
    if range.level == 0 {
      if change.refusesOccupied { findObstacle(in: table, range) }
      return
    }
    var part = range
    while part.goesOn {
      let slot = table[part.index]
      let entry = slot.load()
      if entry.isTable(level: part.level) {
        prepareBelow(entry, part)
      } else {
        if change.refusesOccupied, let end = change.obstacle(in: entry, part) {
          obstacleEnd = end
        } else if !part.isWhole, change.apply(to: entry, part) == nil {
          // A fault may have been there first.
          guard split(slot, entry, of: table, part) else { continue }
        }
      }
      if obstacleEnd != nil { return }
      part.advance()
    }
  }

  private mutating func findObstacle(in table: TablePage, _ range: RangePart) {
    var slot = table[range.index]
    let last = table[range.endIndex]
    while slot != last {
      if !slot.load().isUnmapped {
        obstacleEnd = range.address(of: slot.next, in: table)
        return
      }
      slot = slot.next
    }
  }

  private mutating func prepareBelow(_ entry: PageTableEntry, _ part: RangePart) {
    let child = cover.child(entry)
    if !child.isHeldHere { child.lock() }
    if part.level > 1 || change.refusesOccupied {
      prepare(child, RangePart(level: part.level &- 1, from: part.start, to: part.end))
    }
  }

  /// Puts a table that means the same in place of an entry, if there is memory for it, else notes what
  /// is needed; returns whether the entry was still that.
  private mutating func split(
    _ slot: TableSlot, _ entry: PageTableEntry, of parent: TablePage, _ part: RangePart
  ) -> Bool {
    guard let table = spares.take(level: part.level &- 1, of: parent) else {
      wishForTables(splitting: entry, part)
      return true
    }
    // Locked before anybody can find it: what was seen of the range stays so.
    table.fill(splitting: entry, level: part.level, isHeld: true)
    guard slot.replace(entry, by: PageTableEntry(table: table.address)) else {
      table.unlock()
      table.clearUseCount()
      spares.giveBack(table, level: part.level &- 1)
      return false
    }
    if entry.isUnmapped {
      countUses(1, of: parent, level: part.level)
      if part.level < PageTableFormat.rootLevel { emptiedTableCount &+= 1 }
    }
    // The large page may be remembered as one, beside its parts (volume 3, 4.10.2.4).
    if entry.isPresent { noteStale(slot, level: part.level) }
    prepare(table, RangePart(level: part.level &- 1, from: part.start, to: part.end))
    return true
  }

  /// Notes which tables it takes to change the part of an entry that needs at least one. Where the part
  /// begins and where it ends, entries may be halved in turn; all between are whole.
  private mutating func wishForTables(splitting entry: PageTableEntry, _ part: RangePart) {
    let level = part.level &- 1
    spares.wish(level: level)
    guard level > 0 else { return }
    var below = RangePart(level: level, from: part.start, to: part.end)
    while true {
      if !below.isWhole {
        let entry = entry.part(below.index, level: part.level)
        if change.apply(to: entry, below) == nil { wishForTables(splitting: entry, below) }
      }
      if below.isLast { return }
      below = RangePart(
        level: level, from: Swift.max(below.end, (part.end &- 1) & ~(below.span &- 1)),
        to: part.end)
    }
  }

  // MARK: Second walk

  /// Changes all entries of the range; or none, if something is in the way by now.
  @inline(__always)
  mutating func apply() {
    apply(to: cover, RangePart(level: coverLevel, from: start, to: end))
    if obstacleEnd != nil { takeBack() }
  }

  /// Takes back what was done before something was found in the way.
  @inline(never)
  private mutating func takeBack() {
    guard refusedAt > start else { return }
    change = RangeChange(.unmap)
    let obstacle = obstacleEnd.take()
    apply(to: cover, RangePart(level: coverLevel, from: start, to: refusedAt))
    obstacleEnd = obstacle
  }

  private mutating func apply(to table: TablePage, _ range: RangePart) {
    if range.level == 0 { return applyToPages(of: table, range) }
    var part = range
    var uses = 0
    while part.goesOn {
      let slot = table[part.index]
      let entry = slot.load()
      if entry.isTable(level: part.level) {
        let child = table.child(entry)
        if !child.isHeldHere {
          lockLate(child, part)
          if obstacleEnd != nil { break }
        }
        if let promise = largePromise(part), child.useCount == 0 {
          takeOut(child, slot, entry, next: promise)
        } else {
          apply(to: child, RangePart(level: part.level &- 1, from: part.start, to: part.end))
          if obstacleEnd != nil { break }
        }
      } else {
        let new =
          part.isWhole
          ? change.apply(to: entry, level: part.level) : change.apply(to: entry, part) ?? entry
        // A fault may turn a promise into a page, or a table, at any time.
        guard new == entry || slot.replace(entry, by: new) else { continue }
        note(new, entry, slot, level: part.level)
        uses &+= Self.uses(new) &- Self.uses(entry)
      }
      part.advance()
    }
    countUses(uses, of: table, level: range.level)
  }

  /// Locks a table that a fault made after the first walk, in place of a promise for a part of the entry. Since
  /// then others may have mapped something in it, for which that table's lock is enough.
  @inline(never)
  private mutating func lockLate(_ child: TablePage, _ part: RangePart) {
    child.lock()
    guard change.refusesOccupied else { return }
    // Makes no tables: one entry could say it all, so that the part is of whole entries here.
    prepare(child, RangePart(level: part.level &- 1, from: part.start, to: part.end))
    if obstacleEnd != nil { refusedAt = part.start }
  }

  /// The same for the entries of a table of the lowest level: one loop for each kind of change.
  private mutating func applyToPages(of table: TablePage, _ range: RangePart) {
    let (first, end) = (range.index, range.endIndex)
    switch change.kind {
    case .reserve(let promise), .replace(let promise):
      change(PromisePages(promise), table, first, end)
    case .unmap: change(UnmapPages(), table, first, end)
    case .protect(let permissions): change(ProtectPages(permissions), table, first, end)
    case .drop: change(DropPages(), table, first, end)
    case .preferLargePages, .trim: break
    }
  }

  /// Changes entries of the lowest level: present ones, of which there are most, and others.
  private mutating func change(
    _ change: some PageChange, _ table: TablePage, _ first: Int, _ end: Int
  ) {
    var slot = table[first]
    let last = table[end]
    var uses = 0
    var pages = PageTableEntrySummary()
    let hasHolders = table.hasHolders
    while slot != last {
      let entry = slot.load()
      if entry.isPresent {
        // Faults leave alone what is no promise, and the processor has nothing to mark.
        let new = change.present(entry)
        slot.store(new)
        pages.add(entry)
        if hasHolders && new.isLess(than: entry) {
          noteStale(slot, level: 0, isKept: new.isPresent)
        }
        if !change.keepsPresent { uses &-= 1 }
      } else if entry.isUnmapped {
        if let promise = change.unmapped {
          slot.store(promise)
          uses &+= 1
        }
      } else {
        let new = change.other(entry)
        if entry.isReserved {
          guard slot.replace(entry, by: new) else { continue }
        } else {
          slot.store(new)
        }
        note(new, entry, slot, level: 0)
        uses &+= Self.uses(new) &- Self.uses(entry)
      }
      slot = slot.next
    }
    if change.isLess(than: pages) { isStale = true }
    if change.endsPages && pages.hasPages { isUnfinished = true }
    countUses(uses, of: table, level: 0)
  }

  /// Notes what follows from a change of an entry, just after it.
  @inline(__always)
  private mutating func note(
    _ new: PageTableEntry, _ old: PageTableEntry, _ slot: TableSlot, level: Int
  ) {
    if new.isLess(than: old) { noteStale(slot, level: level, isKept: new.isPresent) }
    if new.isChanging { isUnfinished = true }
  }

  /// Notes that some CPU may have more than an entry says by now. If the page is kept, the CPUs that have
  /// a copy keep that, too, with less.
  @inline(__always)
  private mutating func noteStale(_ slot: TableSlot, level: Int, isKept: Bool = false) {
    isStale = true
    if cover.hasHolders && level <= PageTableFormat.largestPageLevel {
      holders |=
        isKept && change.keptPermissions != nil ? slot.currentHolders() : slot.takeHolders()
    }
  }

  /// 1 for an entry that will not be empty.
  @inline(__always)
  private static func uses(_ entry: PageTableEntry) -> Int {
    entry.isUnmapped || entry.isChanging && !entry.becomesReserved ? 0 : 1
  }

  @inline(__always)
  private mutating func countUses(_ change: Int, of table: TablePage, level: Int) {
    if change == 0 { return }
    let before = table.useCount
    table.changeUseCount(by: change)
    // Those right below the root are never taken out.
    if level < PageTableFormat.rootLevel &- 1 {
      if before == 0 { emptiedTableCount &-= 1 }
      if before &+ change == 0 { emptiedTableCount &+= 1 }
    }
  }

  // MARK: Empty tables

  /// The promise to put in place of an empty table, so that large pages can be used.
  @inline(__always)
  private func largePromise(_ part: RangePart) -> PageTableEntry? {
    guard part.level == PageTableFormat.largestPageLevel, part.isWhole,
      let promise = change.promise, promise.prefersLargePages
    else { return nil }
    return promise
  }

  /// Takes an empty table, which is locked, out of its parent's entry.
  private mutating func takeOut(
    _ table: TablePage, _ slot: TableSlot, _ entry: PageTableEntry, next: PageTableEntry
  ) {
    slot.store(entry.changing(to: next, isTable: true))
    isStale = true
    isUnfinished = true
    emptiedTableCount &-= 1
    // From here on nobody changes it: a fault that still finds it finds nothing mapped there, which was
    // so when the fault began; a range operation that waits for its lock starts again.
    table.detach()
    table.unlock()
  }

  /// Takes all empty tables out that are in the range; those right below the root stay.
  mutating func trim() {
    trim(cover, RangePart(level: coverLevel, from: start, to: end))
  }

  /// Returns whether some were below the table, which is locked.
  private mutating func trim(_ table: TablePage, _ range: RangePart) {
    var part = range
    while part.level > 0 && part.goesOn {
      let slot = table[part.index]
      let entry = slot.load()
      if entry.isTable(level: part.level) {
        let child = table.child(entry)
        if part.level > 1 || child.useCount == 0 {
          child.lock()
          trim(child, RangePart(level: part.level &- 1, from: part.start, to: part.end))
          if child.useCount == 0 && part.level < PageTableFormat.rootLevel {
            takeOut(child, slot, entry, next: .empty)
            table.changeUseCount(by: -1)
          } else if part.level == 1 {
            child.unlock()
          }
        }
      }
      part.advance()
    }
  }
}
