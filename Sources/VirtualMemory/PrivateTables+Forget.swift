import Boot
import Machine
import PhysicalMemory

/// How a CPU forgets what was changed in the common tree. Interrupts are off, and nothing here takes a
/// lock, allocates, waits, or calls itself.
extension PrivateTables {
  /// Pages that are forgotten one by one; of more, forgetting everything is less work.
  private static let singlePageLimit: UInt64 = 32
  /// So many empty tables stay where they are, for what is mapped next.
  private static let emptyLimit = 16

  /// Forgets what this CPU has of a range, in its tables and in its processor; or, where pages only allow
  /// less than before, takes the other permissions from what it has.
  func forget(from start: UInt64, to end: UInt64, keeping permissions: PagePermissions?) {
    if state.pointee.scheme == .perCPU && hasRoot {
      changeCopies(from: start, to: end, keeping: permissions)
      if state.pointee.emptyCount.load(ordering: .relaxed) > Self.emptyLimit { unlinkEmptyTables() }
    }
    forgetTranslations(from: start, to: end)
    publishUnlinked()
  }

  /// To forget one page forgets all tables on the way, of whatever address (volume 3, 4.10.4.1).
  private func forgetTranslations(from start: UInt64, to end: UInt64) {
    let span = PageTableFormat.span(level: 0)
    let count = (end &- start) / span
    if count > Self.singlePageLimit {
      state.pointee.counts.fullFlushes.count(1)
      AddressTranslation.forgetAll()
      return
    }
    state.pointee.counts.pages.count(Int(truncatingIfNeeded: count))
    var address = start
    while address < end {
      AddressTranslation.forget(address)
      address &+= span
    }
  }

  private func changeCopies(
    from start: UInt64, to end: UInt64, keeping permissions: PagePermissions?
  ) {
    var address = start
    while address < end {
      var table = root
      var level = PageTableFormat.rootLevel
      while true {
        let part = RangePart(level: level, from: address, to: end)
        let entry = table[part.index]
        if level == 0 {
          address = changePages(of: table, part, keeping: permissions)
        } else if entry.isTable(level: level) {
          if !part.isWhole || permissions != nil {
            table = table.child(entry)
            level -= 1
            continue
          }
          table[part.index] = .empty
          take(table.child(entry), level: level - 1)
          removeUses(1, of: table, level: level)
          address = part.end
        } else {
          if entry.isPresent {
            // A large page of which only a part changes has been divided.
            let new = part.isWhole ? entry.keeping(permissions) : .empty
            table[part.index] = new
            if !new.isPresent { removeUses(1, of: table, level: level) }
          }
          address = part.end
        }
        break
      }
    }
  }

  /// Changes the rest of a table of pages; returns where it ends.
  @inline(__always)
  private func changePages(
    of table: PrivateTable, _ first: RangePart, keeping permissions: PagePermissions?
  ) -> UInt64 {
    var part = first
    var gone = 0
    while true {
      let entry = table[part.index]
      if entry.isPresent {
        let new = entry.keeping(permissions)
        table[part.index] = new
        if !new.isPresent { gone += 1 }
      }
      let isLast = part.isLastOfTable
      part.advance()
      if isLast { break }
    }
    removeUses(gone, of: table, level: 0)
    return part.start
  }

  // MARK: Unlinking

  /// Takes out the table that an entry leads to, which has no entries of its own.
  @inline(never)
  func unlink(
    _ slot: UnsafeMutablePointer<PageTableEntry>, of table: PrivateTable, level: Int
  ) {
    let entry = slot.pointee
    slot.pointee = .empty
    take(table.child(entry), level: level - 1)
    removeUses(1, of: table, level: level)
    AddressTranslation.forgetAll()
    publishUnlinked()
  }

  /// Takes out all tables that have no entries, and forgets them.
  func releaseEmptyTables() {
    if !hasEmptyTables || !hasRoot { return }
    unlinkEmptyTables()
    AddressTranslation.forgetAll()
    publishUnlinked()
  }

  /// Looks at each of this CPU's own tables that is not one of pages only.
  private func unlinkEmptyTables() {
    unlinkEmptyTables(belowRootEntry: Self.localIndex)
    // The root leads to tables of the common tree.
    if state.pointee.scheme == .shared { return }
    var part = RangePart(
      level: PageTableFormat.rootLevel, from: state.pointee.start, to: state.pointee.end)
    while part.goesOn {
      unlinkEmptyTables(belowRootEntry: part.index)
      part.advance()
    }
  }

  private func unlinkEmptyTables(belowRootEntry index: Int) {
    let entry = root[index]
    guard entry.isPresent else { return }
    let upper = root.child(entry)
    for index in 0..<PageTableFormat.entryCount {
      let entry = upper[index]
      if entry.isTable(level: 2) { unlinkEmptyTables(below: upper.child(entry), level: 1) }
    }
    unlinkEmptyTables(below: upper, level: 2)
    unlinkIfEmpty(index, of: root, level: 3)
  }

  private func unlinkEmptyTables(below table: PrivateTable, level: Int) {
    for index in 0..<PageTableFormat.entryCount {
      unlinkIfEmpty(index, of: table, level: level)
    }
  }

  private func unlinkIfEmpty(_ index: Int, of table: PrivateTable, level: Int) {
    let entry = table[index]
    guard entry.isTable(level: level), table.child(entry).useCount == 0 else { return }
    table[index] = .empty
    take(table.child(entry))
    removeUses(1, of: table, level: level)
  }

  /// Adds a table that no entry leads to, and those below it, to the unlinked ones.
  func take(_ table: PrivateTable, level: Int) {
    switch level {
    case 0: take(table)
    case 1: takeWithPageTables(table)
    default:
      for index in 0..<PageTableFormat.entryCount {
        let entry = table[index]
        if entry.isTable(level: level) { takeWithPageTables(table.child(entry)) }
      }
      take(table)
    }
  }

  private func takeWithPageTables(_ table: PrivateTable) {
    for index in 0..<PageTableFormat.entryCount {
      let entry = table[index]
      if entry.isTable(level: 1) { take(table.child(entry)) }
    }
    take(table)
  }

  private func take(_ table: PrivateTable) {
    if table.useCount == 0 { state.pointee.emptyCount.count(-1) }
    // The processor may still come by: as an entry this leads nowhere.
    table[0] = PageTableEntry(rawValue: state.pointee.firstUnlinked)
    if state.pointee.firstUnlinked == 0 { state.pointee.lastUnlinked = table.address }
    state.pointee.firstUnlinked = table.address
  }

  /// Hands over what was unlinked, when the processor has forgotten it.
  func publishUnlinked() {
    let first = state.pointee.firstUnlinked
    if first == 0 { return }
    let last = PrivateTable(state.pointee.lastUnlinked, of: state.pointee.frames)
    state.pointee.firstUnlinked = 0
    var next = state.pointee.freeable.load(ordering: .relaxed)
    while true {
      last[0] = PageTableEntry(rawValue: next)
      // Release pairs with the acquire in `freeUnlinked`.
      let result = state.pointee.freeable.compareExchange(
        expected: next, desired: first, ordering: .releasing)
      if result.exchanged { return }
      next = result.original
    }
  }

  /// Frees the tables that no processor knows any more. On any CPU, not in interrupts.
  @inline(__always)
  func freeUnlinked() {
    if state.pointee.freeable.load(ordering: .relaxed) != 0 { freeAllUnlinked() }
  }

  @inline(never)
  private func freeAllUnlinked() {
    var address = state.pointee.freeable.exchange(0, ordering: .acquiring)
    while address != 0 {
      let table = PrivateTable(address, of: state.pointee.frames)
      address = table[0].rawValue
      table.free()
    }
  }
}

extension PageTableEntry {
  /// The entry with no more than some permissions; without any named, nothing.
  @inline(__always)
  func keeping(_ permissions: PagePermissions?) -> PageTableEntry {
    permissions.map { reduced(to: $0) } ?? .empty
  }
}
