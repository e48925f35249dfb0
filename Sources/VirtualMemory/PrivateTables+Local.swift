import Machine
import PhysicalMemory

/// Pages that are a CPU's alone: nothing of the common tree, so nobody is a holder. With preemption off.
extension PrivateTables {
  /// Which entry of the root leads to them.
  static var localIndex: Int {
    PageTableFormat.index(of: AddressSpace.localAddresses, level: PageTableFormat.rootLevel)
  }

  /// Makes an address lead to a page.
  func map(_ entry: PageTableEntry, at address: UInt64) throws(FrameAllocatorError) {
    while Processor.withInterruptsDisabled({ replace(entry, at: address) }) == nil {
      let spare = try PrivateTable.make(of: state.pointee.frames)
      let isLinked = Processor.withInterruptsDisabled { link(spare, at: address, above: 0) }
      if !isLinked { spare.free() }
    }
  }

  /// Makes an address lead nowhere; returns the physical address of the page that was there.
  func unmap(_ address: UInt64) -> UInt64? {
    guard hasRoot,
      let old = Processor.withInterruptsDisabled({ replace(.empty, at: address) }), old.isPresent
    else { return nil }
    return old.address
  }

  /// Returns what was there, or nothing if there is no table. With interrupts off.
  private func replace(_ entry: PageTableEntry, at address: UInt64) -> PageTableEntry? {
    guard let table = findTable(address, level: 0) else { return nil }
    let slot = table.slot(address, level: 0)
    let old = slot.pointee
    slot.pointee = entry
    if old.isPresent { AddressTranslation.forget(address) }
    if entry.isPresent && !old.isPresent { addUse(of: table, level: 0) }
    if old.isPresent && !entry.isPresent { removeUses(1, of: table, level: 0) }
    return old
  }

  /// Takes out all of them. With interrupts off.
  func unlinkLocal() {
    let entry = root[Self.localIndex]
    guard entry.isPresent else { return }
    root[Self.localIndex] = .empty
    take(root.child(entry), level: PageTableFormat.rootLevel - 1)
  }
}
