import Boot
import Machine
import PhysicalMemory

/// How a CPU gives up what it has for itself. On this CPU, in an epoch section.
extension PrivateTables {
  /// Drops all copies, and gives back all tables and the root. The processor does not use them.
  func release(commonRoot: TablePage) {
    if !hasRoot { return }
    var address = state.pointee.start
    while address < state.pointee.end {
      address = dropCopies(at: address, commonRoot: commonRoot)
    }
    free()
  }

  /// Gives back all tables and the root, where no copies of pages are left. Also of another CPU, when none uses
  /// the address space.
  func free() {
    if !hasRoot { return }
    Processor.withInterruptsDisabled {
      unlinkLocal()
      AddressTranslation.forgetAll()
      publishUnlinked()
      releaseEmptyTables()
      root.free()
      state.pointee.root = 0
      state.pointee.sharingRoot = 0
    }
    freeUnlinked()
  }

  /// Drops the copies in the table that an address belongs to, from this one on; returns the address
  /// behind them, or behind where there is no table.
  private func dropCopies(at address: UInt64, commonRoot: TablePage) -> UInt64 {
    Processor.withInterruptsDisabled {
      var table = root
      var level = PageTableFormat.rootLevel
      while true {
        let entry = table.slot(address, level: level).pointee
        let isCommon = level == PageTableFormat.rootLevel && state.pointee.scheme == .shared
        if !isCommon && entry.isTable(level: level) {
          table = table.child(entry)
          level -= 1
          continue
        }
        let span = PageTableFormat.span(level: level)
        var address = address & ~(span &- 1)
        repeat {
          dropCopy(at: address, of: table, level: level, commonRoot: commonRoot)
          address &+= span
        } while hasMore(at: address, of: table, level: level, isCommon)
        return address
      }
    }
  }

  /// Whether an address is that of another entry of the same table, which leads to no table of this CPU's.
  private func hasMore(
    at address: UInt64, of table: PrivateTable, level: Int, _ isCommon: Bool
  ) -> Bool {
    if address >= state.pointee.end || PageTableFormat.index(of: address, level: level) == 0 {
      return false
    }
    return isCommon || !table.slot(address, level: level).pointee.isTable(level: level)
  }

  private func dropCopy(
    at address: UInt64, of table: PrivateTable, level: Int, commonRoot: TablePage
  ) {
    let copy = table.slot(address, level: level)
    if !copy.pointee.isPresent { return }
    copy.pointee = .empty
    AddressTranslation.forget(address)
    removeUses(1, of: table, level: level)
    // Only now: a holder is told of changes as long as it has anything.
    Self.findSlot(address, level: level, in: commonRoot)?.removeHolder()
  }

  /// The entry for an address at a level of the common tree. It may be gone: then nobody is its holder
  /// any more.
  private static func findSlot(_ address: UInt64, level: Int, in root: TablePage) -> TableSlot? {
    var table = root
    var current = PageTableFormat.rootLevel
    while current > level {
      let entry = table.slot(address, level: current).load()
      guard entry.isTable(level: current) else { return nil }
      table = table.child(entry)
      current -= 1
    }
    return table.slot(address, level: level)
  }
}
