import Boot
import Machine
import PerCPU
import PhysicalMemory

/// What one CPU has for itself of an address space's page tables: always a root, and in the scheme
/// `perCPU` all tables below. Modelled in `Models/PrivatePageTable.pml`.
///
/// Nobody but this CPU touches these tables, and it does so with interrupts off: what other CPUs want
/// to be forgotten is done here by an urgent call. An entry of them is a copy of an entry of the tree
/// that all CPUs share, in whose set of holders this CPU is.
struct PrivateTables {
  /// In a CPU's own storage. An interrupt may change what is not constant whenever interrupts are on, so
  /// each access stands for itself.
  struct State: ~Copyable {
    let scheme: PageTableScheme
    let frames: UnsafePointer<FrameAllocator>
    /// The part of the root that is the address space's.
    let start: UInt64
    let end: UInt64
    /// The physical address of the root; 0 as long as this CPU has not used the address space.
    var root: UInt64 = 0
    /// The same where it leads to tables of the common tree; 0 where the tables are private.
    var sharingRoot: UInt64 = 0
    /// How many tables are linked that have no entry. Other CPUs read it.
    let emptyCount = Atomic<Int>(0)
    /// The first and the last of the tables that were just unlinked, which the processor may still know.
    var firstUnlinked: UInt64 = 0
    var lastUnlinked: UInt64 = 0
    /// Unlinked tables that no processor knows, for any CPU to free: the address of the first.
    let freeable = Atomic<UInt64>(0)
    let counts = ShootdownCounters()
    /// What this CPU asks others to forget: here, since they might not find a thread's stack.
    var request = TLBShootdown.Request()
  }

  let state: UnsafeMutablePointer<State>

  @inline(__always)
  init(_ state: UnsafeMutablePointer<State>) { self.state = state }

  /// Whether this CPU has ever used the address space.
  @inline(__always)
  var hasRoot: Bool { state.pointee.root != 0 }

  /// Whether there are tables that `releaseEmptyTables` would take out.
  var hasEmptyTables: Bool { state.pointee.emptyCount.load(ordering: .relaxed) > 0 }

  /// The root, if there is one.
  @inline(__always)
  var root: PrivateTable { PrivateTable(state.pointee.root, of: state.pointee.frames) }

  /// Makes the root if there is none, with the kernel's entries in it. On this CPU, with preemption off,
  /// or before it runs.
  func makeRoot() throws(FrameAllocatorError) {
    if hasRoot { return }
    let table = try PrivateTable.make(of: state.pointee.frames)
    KernelAddressSpace.shared.copyEntries(to: table)
    state.pointee.root = table.address
    if state.pointee.scheme == .shared { state.pointee.sharingRoot = table.address }
  }

  // MARK: Filling

  /// Whether the processor finds all that is in the common tree at an address: there is nothing to fill.
  @inline(__always)
  func leadsToCommonTables(_ address: UInt64) -> Bool {
    hasRoot && state.pointee.scheme == .shared
      && root.slot(address, level: PageTableFormat.rootLevel).pointee.isPresent
  }

  /// Makes this CPU's processor find what a fault has found in the common tree: `entry`, which leads to
  /// a page, in `slot` at `level`. In the epoch section in which it was found.
  ///
  /// - Returns: Whether the entry was still the same; if not, the fault begins anew.
  @inline(__always)
  func fill(
    _ address: UInt64, _ entry: PageTableEntry, at slot: TableSlot, level: Int,
    of commonRoot: TablePage
  ) throws(FrameAllocatorError) -> Bool {
    let root = state.pointee.sharingRoot
    // Tables right below the root stay as long as the address space.
    if root != 0,
      PrivateTable(root, of: commonRoot.frames).slot(address, level: PageTableFormat.rootLevel)
        .pointee.isPresent
    {
      return true
    }
    return try fillMissing(address, entry, at: slot, level: level, of: commonRoot)
  }

  @inline(never)
  private func fillMissing(
    _ address: UInt64, _ entry: PageTableEntry, at slot: TableSlot, level: Int,
    of commonRoot: TablePage
  ) throws(FrameAllocatorError) -> Bool {
    if !hasRoot { return true }
    return state.pointee.scheme == .perCPU
      ? try fillPage(address, entry, at: slot, level: level)
      : fillRoot(address, commonRoot.slot(address, level: PageTableFormat.rootLevel))
  }

  private func fillRoot(_ address: UInt64, _ slot: TableSlot) -> Bool {
    let entry = slot.load()
    guard entry.isTable(level: PageTableFormat.rootLevel) else { return false }
    return Processor.withInterruptsDisabled {
      let isCurrent = copy(
        entry, from: slot, to: root.slot(address, level: PageTableFormat.rootLevel), of: address)
      // Who changes an entry further down looks who is a holder here, after a fence: it sees this CPU, or
      // this CPU's walks see the change.
      memoryFence(ordering: .sequentiallyConsistent)
      return isCurrent
    }
  }

  @inline(__always)
  private func fillPage(
    _ address: UInt64, _ entry: PageTableEntry, at slot: TableSlot, level: Int
  ) throws(FrameAllocatorError) -> Bool {
    let isFilled = Processor.withInterruptsDisabled { () -> Bool? in
      guard let table = findTable(address, level: level) else { return nil }
      return fill(table, address, entry, at: slot, level: level)
    }
    if let isFilled { return isFilled }
    return try makeTablesAndFill(address, entry, at: slot, level: level)
  }

  /// The same where tables are missing on the way: they are allocated with interrupts as they were, and
  /// an interrupt may unlink others meanwhile.
  @inline(never)
  private func makeTablesAndFill(
    _ address: UInt64, _ entry: PageTableEntry, at slot: TableSlot, level: Int
  ) throws(FrameAllocatorError) -> Bool {
    while true {
      freeUnlinked()
      let spare = try PrivateTable.make(of: state.pointee.frames)
      var isLinked = false
      let isFilled = Processor.withInterruptsDisabled { () -> Bool? in
        isLinked = link(spare, at: address, above: level)
        guard let table = findTable(address, level: level) else { return nil }
        return fill(table, address, entry, at: slot, level: level)
      }
      if !isLinked { spare.free() }
      if let isFilled { return isFilled }
    }
  }

  /// This CPU's table for an address at a level, if it has one. With interrupts off.
  @inline(__always)
  func findTable(_ address: UInt64, level: Int) -> PrivateTable? {
    var table = root
    var current = PageTableFormat.rootLevel
    while current > level {
      let entry = table.slot(address, level: current).pointee
      guard entry.isTable(level: current) else { return nil }
      table = table.child(entry)
      current -= 1
    }
    return table
  }

  /// Puts an empty table where the first one is missing; returns whether one was. With interrupts off.
  func link(_ spare: PrivateTable, at address: UInt64, above level: Int) -> Bool {
    var table = root
    var current = PageTableFormat.rootLevel
    while current > level {
      let slot = table.slot(address, level: current)
      let entry = slot.pointee
      guard entry.isTable(level: current) else {
        slot.pointee = PageTableEntry(table: spare.address)
        state.pointee.emptyCount.count(1)
        if entry.isPresent {
          // The copy of a large page that is divided by now.
          AddressTranslation.forget(address)
        } else {
          addUse(of: table, level: current)
        }
        return true
      }
      table = table.child(entry)
      current -= 1
    }
    return false
  }

  /// Copies an entry into a table of this CPU. With interrupts off.
  @inline(__always)
  private func fill(
    _ table: PrivateTable, _ address: UInt64, _ entry: PageTableEntry, at slot: TableSlot,
    level: Int
  ) -> Bool {
    let copy = table.slot(address, level: level)
    // Empty tables stay for a while, here or in the common tree.
    if copy.pointee.isTable(level: level) { unlink(copy, of: table, level: level) }
    let wasPresent = copy.pointee.isPresent
    let isCurrent = self.copy(entry, from: slot, to: copy, of: address)
    if isCurrent != wasPresent {
      if isCurrent {
        addUse(of: table, level: level)
      } else {
        removeUses(1, of: table, level: level)
      }
    }
    return isCurrent
  }

  /// Puts this CPU among the holders of an entry, and then copies it if it is still the same. With
  /// interrupts off from before until after: no call to forget may be answered in between.
  @inline(__always)
  private func copy(
    _ entry: PageTableEntry, from slot: TableSlot,
    to copy: UnsafeMutablePointer<PageTableEntry>, of address: UInt64
  ) -> Bool {
    slot.addHolder()
    let isCurrent = slot.load() == entry
    // An older copy that allows less may be there, and be remembered. It goes in any case, before the
    // CPU leaves the set.
    let old = copy.pointee
    copy.pointee = isCurrent ? entry : .empty
    if old.isPresent { AddressTranslation.forget(address) }
    if !isCurrent { slot.removeHolder() }
    return isCurrent
  }

  // MARK: Uses

  /// Counts one more entry of a table. With interrupts off.
  @inline(__always)
  func addUse(of table: PrivateTable, level: Int) {
    if level == PageTableFormat.rootLevel { return }
    if table.useCount == 0 { state.pointee.emptyCount.count(-1) }
    table.changeUseCount(by: 1)
  }

  /// Counts entries of a table as gone. With interrupts off.
  @inline(__always)
  func removeUses(_ count: Int, of table: PrivateTable, level: Int) {
    if level == PageTableFormat.rootLevel || count == 0 { return }
    table.changeUseCount(by: -count)
    if table.useCount == 0 { state.pointee.emptyCount.count(1) }
  }
}
