import Boot
import Locking
import Machine
import PhysicalMemory

/// Copy on write. A page that somebody else may have, too, is read-only to the processor; the first
/// write gets a copy.
///
/// That is a change of the translation, so it is a range operation on one page: with the lock of its
/// table, the page is taken away, and the copy takes its place when no CPU remembers the page any more.
/// Otherwise one CPU could write to the copy while another still reads what was. Modelled in
/// `Models/CopyOnWrite.pml`.
extension AddressSpace {
  /// Copies the page at an address if that is what a write there needs; returns false if there is no
  /// memory. Interrupts as they were; waits for the lock of a table and for CPUs to answer, but does not
  /// sleep. Outside of epoch sections.
  @inline(never)
  func copyPage(at address: UInt64) -> Bool {
    guard let copy = try? frames.pointee.allocate() else { return false }
    let start = address & ~(Self.pageSize &- 1)
    let isUsed = Epoch.shared.read { replacePage(at: start, byCopyIn: copy.rawValue) }
    // The page was copied, unmapped or protected by others meanwhile.
    if !isUsed { frames.pointee.free(copy) }
    return true
  }

  /// Returns whether the frame is used. In an epoch section.
  @inline(__always)
  private func replacePage(at start: UInt64, byCopyIn frame: UInt64) -> Bool {
    let end = start &+ Self.pageSize
    let cover = CoveringTable.find(from: start, to: end, root: rootTable)
    let slot = cover.table[PageTableFormat.index(of: start, level: 0)]
    let page = slot.load()
    guard cover.level == 0, page.isPresent, page.isCopiedOnWrite, page.allowed.contains(.write)
    else {
      cover.table.unlock()
      return false
    }
    // Under the lock nobody else changes what is no promise.
    slot.store(page.changing(to: PageTableEntry(reserved: page.allowed, area: page.area)))
    let holders = cover.table.hasHolders ? slot.takeHolders() : 0
    TLBShootdown.run(
      on: cpusToTell(holders: holders, from: start, to: end), privateTables, from: start, to: end,
      keeping: nil)
    if let copy = PhysicalMemoryWindow.pointer(to: frame),
      let bytes = PhysicalMemoryWindow.pointer(to: page.address)
    {
      copy.copyMemory(from: bytes, byteCount: Int(Self.pageSize))
    }
    slot.store(
      PageTableEntry(page: frame, page.allowed, level: 0, area: page.area, isForeign: false))
    cover.table.unlock()
    if !page.isForeign { frames.pointee.free(PhysicalAddress(page.address)) }
    ownTables.freeUnlinked()
    return true
  }
}
