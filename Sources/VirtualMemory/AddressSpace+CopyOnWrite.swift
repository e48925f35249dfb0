import Boot
import Locking
import Machine
import PhysicalMemory

/// Copy on write. A page that somebody else may have, too, is read-only to the processor; the first
/// write gets a copy.
///
/// That is a change of the translation, so it is an operation on the range of one page: with the lock of
/// its table, the page is taken away, and the copy takes its place when no CPU remembers the page any
/// more. Otherwise one CPU could write to the copy while another still reads what was. Modelled in
/// `Models/CopyOnWrite.pml`.
extension AddressSpace {
  /// Copies the page at an address if that is what a write there needs; returns false if there is no
  /// memory. Interrupts as they were; waits for the lock of a table and for CPUs to answer, but does not
  /// sleep. Outside of epoch sections.
  @inline(never)
  func copyPage(at address: UInt64) -> Bool {
    let start = address & ~(Self.pageSize &- 1)
    guard let copy = try? frames.pointee.allocate() else { return false }
    let isUsed = Epoch.shared.read {
      var operation = RangeOperation(
        RangeChange(.copy), from: start, to: start &+ Self.pageSize,
        in: CoveringTable(from: start, to: start &+ Self.pageSize, root: rootTable))
      operation.apply()
      tellCPUs(of: operation)
      let isUsed = operation.installCopy(copy.rawValue)
      operation.finish { removedTables.add($0) }
      return isUsed
    }
    // The page was copied, unmapped or protected by others meanwhile.
    if !isUsed { frames.pointee.free(copy) }
    return true
  }
}

extension RangeOperation {
  /// Fills a frame with the contents of the page that was taken away, and puts it in the page's place.
  /// When no CPU remembers the page. Returns whether a page was taken away.
  mutating func installCopy(_ frame: UInt64) -> Bool {
    guard isUnfinished, coverLevel == 0 else { return false }
    let slot = cover[PageTableFormat.index(of: start, level: 0)]
    let taken = slot.load()
    if let copy = PhysicalMemoryWindow.pointer(to: frame),
      let page = PhysicalMemoryWindow.pointer(to: taken.address)
    {
      copy.copyMemory(from: page, byteCount: Int(FrameAllocator.frameSize))
    }
    let promise = taken.changed
    slot.store(
      PageTableEntry(
        page: frame, promise.allowed, level: 0, area: promise.area, isForeign: false))
    return true
  }
}
