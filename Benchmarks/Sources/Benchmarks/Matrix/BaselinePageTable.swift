import Boot
import Machine
import PhysicalMemory

/// The page tables of `LockedAreas`, in the processor's format, changed by several CPUs at once. A range is
/// removed and protected by one CPU at a time, with no fault in it.
struct BaselinePageTable: ~Copyable, Sendable {
  private let root = BootConstant<UInt64>(0)

  enum Installation { case installed, isThere, noMemory }

  /// Takes memory for the root, once.
  func initialize() {
    if root.value != 0 { return }
    guard let frame = try? FrameAllocator.shared.allocateZeroed() else {
      Benchmarks.fail("no frame is free")
    }
    root.set(frame.rawValue)
  }

  @inline(__always)
  private static func slot(
    of address: UInt64, level: Int, in table: UInt64
  ) -> UnsafeMutablePointer<Atomic<UInt64>> {
    let index = PageTableFormat.index(of: address, level: level)
    return PhysicalMemoryWindow.pointer(to: table).unsafelyUnwrapped
      .assumingMemoryBound(to: Atomic<UInt64>.self) + index
  }

  /// Lets an address lead to a frame if it leads nowhere. Acquire and release: who finds an entry finds what
  /// it leads to.
  @inline(__always)
  func install(_ frame: UInt64, _ permissions: PagePermissions, at address: UInt64) -> Installation
  {
    var table = root.value
    var level = PageTableFormat.rootLevel
    while level > 0 {
      let slot = Self.slot(of: address, level: level, in: table)
      var entry = PageTableEntry(rawValue: slot.pointee.load(ordering: .acquiring))
      if !entry.isPresent {
        guard let made = Self.makeTable(in: slot) else { return .noMemory }
        entry = made
      }
      table = entry.address
      level &-= 1
    }
    let page = PageTableEntry(page: frame, permissions, level: 0)
    let result = Self.slot(of: address, level: 0, in: table).pointee.compareExchange(
      expected: 0, desired: page.rawValue, ordering: .acquiringAndReleasing)
    return result.exchanged ? .installed : .isThere
  }

  @inline(never)
  private static func makeTable(in slot: UnsafeMutablePointer<Atomic<UInt64>>) -> PageTableEntry? {
    guard let frame = try? FrameAllocator.shared.allocateZeroed() else { return nil }
    let entry = PageTableEntry(table: frame.rawValue)
    let result = slot.pointee.compareExchange(
      expected: 0, desired: entry.rawValue, ordering: .acquiringAndReleasing)
    if result.exchanged { return entry }
    FrameAllocator.shared.free(frame)
    return PageTableEntry(rawValue: result.original)
  }

  /// Calls `body` for the entry of each page in a range that has one.
  @inline(__always)
  private func forEachPage(
    from start: UInt64, to end: UInt64,
    _ body: (UnsafeMutablePointer<Atomic<UInt64>>, PageTableEntry) -> Void
  ) {
    var address = start
    while address < end {
      var table = root.value
      var level = PageTableFormat.rootLevel
      var entry = PageTableEntry.empty
      while true {
        let slot = Self.slot(of: address, level: level, in: table)
        entry = PageTableEntry(rawValue: slot.pointee.load(ordering: .acquiring))
        if level == 0 || !entry.isPresent {
          if entry.isPresent { body(slot, entry) }
          break
        }
        table = entry.address
        level &-= 1
      }
      let span = PageTableFormat.span(level: level)
      address = (address & ~(span &- 1)) &+ span
    }
  }

  /// Takes the pages of a range out and frees them.
  func remove(from start: UInt64, to end: UInt64) {
    forEachPage(from: start, to: end) { slot, entry in
      slot.pointee.store(0, ordering: .releasing)
      FrameAllocator.shared.free(PhysicalAddress(entry.address))
    }
  }

  /// Gives the pages of a range other permissions.
  func protect(from start: UInt64, to end: UInt64, _ permissions: PagePermissions) {
    forEachPage(from: start, to: end) { slot, entry in
      let page = PageTableEntry(page: entry.address, permissions, level: 0)
      slot.pointee.store(page.rawValue, ordering: .releasing)
    }
  }
}
