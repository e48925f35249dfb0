import Boot
import Machine
import PhysicalMemory

/// One page table that a single CPU has for itself: it alone, and its processor, reads and writes the
/// entries, with interrupts off; so they are plain memory.
struct PrivateTable {
  /// The physical address.
  let address: UInt64
  /// Where tables come from.
  let frames: UnsafePointer<FrameAllocator>

  @inline(__always)
  init(_ address: UInt64, of frames: UnsafePointer<FrameAllocator>) {
    self.address = address
    self.frames = frames
  }

  /// An empty table.
  static func make(
    of frames: UnsafePointer<FrameAllocator>
  ) throws(FrameAllocatorError) -> PrivateTable {
    let frame = try frames.pointee.allocateZeroed()
    frames.pointee.setUse(.pageTable, value: 0, of: frame)
    return PrivateTable(frame.rawValue, of: frames)
  }

  /// Gives the frame back: no processor can be on its way through the table.
  func free() { TablePage(address, of: frames).free() }

  /// The table that an entry of this one leads to.
  @inline(__always)
  func child(_ entry: PageTableEntry) -> PrivateTable { PrivateTable(entry.address, of: frames) }

  @inline(__always)
  subscript(index: Int) -> PageTableEntry {
    get { entries[index] }
    nonmutating set { entries[index] = newValue }
  }

  /// Where the entry for an address is, in a table of this level.
  @inline(__always)
  func slot(_ address: UInt64, level: Int) -> UnsafeMutablePointer<PageTableEntry> {
    entries + PageTableFormat.index(of: address, level: level)
  }

  @inline(__always)
  private var entries: UnsafeMutablePointer<PageTableEntry> {
    PhysicalMemoryWindow.pointer(to: address).unsafelyUnwrapped
      .assumingMemoryBound(to: PageTableEntry.self)
  }

  /// How many entries lead somewhere; not counted in a root.
  var useCount: Int { TablePage(address, of: frames).useCount }

  /// Counts entries.
  @inline(__always)
  func changeUseCount(by change: Int) {
    TablePage(address, of: frames).changeUseCount(by: change)
  }
}
