import Boot
import Locking
import Machine
import PhysicalMemory

/// One page of the page tables: 512 entries, and beside them, in the frame's record, a lock, whether
/// the page is still a part of a tree, and how many of its entries are in use.
///
/// Faults change entries without the lock, from reserved to present only. All else is done by range
/// operations, which hold it.
struct TablePage: Equatable {
  /// The physical address.
  let address: UInt64

  /// Where tables and pages come from.
  let frames: UnsafePointer<FrameAllocator>
  /// Whether all tables of its tree whose entries may lead to pages know the holders of each: they lie
  /// in a frame behind the table's, see `TableSlot.holders`. The root of the common tree always does.
  let hasHolders: Bool

  @inline(__always)
  init(_ address: UInt64, of frames: UnsafePointer<FrameAllocator>, hasHolders: Bool = false) {
    self.address = address
    self.frames = frames
    self.hasHolders = hasHolders
  }

  /// The table that an entry of this one leads to.
  @inline(__always)
  func child(_ entry: PageTableEntry) -> TablePage {
    TablePage(entry.address, of: frames, hasHolders: hasHolders)
  }

  // What the record's value says: bit 0 to 6 one more than the CPU that holds the lock, or 0; bit 7
  // detached; from bit 8 on how many entries are not empty.
  private static let holderUnit = FrameRecord.valueUnit
  private static let holderMask = 127 &* FrameRecord.valueUnit
  private static let detachedBit = 128 &* FrameRecord.valueUnit
  private static let useUnit = 256 &* FrameRecord.valueUnit

  /// The empty root of a tree that all CPUs share.
  static func makeRoot(
    of frames: UnsafePointer<FrameAllocator>, hasHolders: Bool
  ) throws(FrameAllocatorError) -> TablePage {
    let frame = try allocate(frameCount: 2, of: frames)
    zero(frame, count: 2)
    frames.pointee.setUse(.pageTable, value: 0, of: frame)
    return TablePage(frame.rawValue, of: frames, hasHolders: hasHolders)
  }

  /// One block, so that the record of its first frame says how large it is.
  private static func allocate(
    frameCount: Int, of frames: UnsafePointer<FrameAllocator>
  ) throws(FrameAllocatorError) -> PhysicalAddress {
    try frames.pointee.allocate(count: frameCount, alignment: UInt64(frameCount) * 4096)
  }

  private static func zero(_ frame: PhysicalAddress, count: Int) {
    PhysicalMemoryWindow.pointer(to: frame.rawValue)?
      .initializeMemory(as: UInt64.self, repeating: 0, count: count * 512)
  }

  /// Takes a frame, or two, and makes it a table whose entries say the same as `entry` of `parent` did,
  /// which leads to no table and is at `level`.
  static func make(
    splitting entry: PageTableEntry, level: Int, of parent: TablePage
  ) throws(FrameAllocatorError) -> TablePage {
    let frames = parent.frames
    let hasOwnHolders = parent.hasHolders && level - 1 <= PageTableFormat.largestPageLevel
    let frame = try allocate(frameCount: hasOwnHolders ? 2 : 1, of: frames)
    if hasOwnHolders { zero(PhysicalAddress(frame.rawValue + 4096), count: 1) }
    let table = TablePage(frame.rawValue, of: frames, hasHolders: parent.hasHolders)
    let words = table[0].place
    // A large page becomes smaller ones in a row; all else is copied.
    var part =
      entry.hasFrame
      ? PageTableEntry(
        page: entry.address, entry.allowed, level: level - 1, area: entry.area,
        isForeign: entry.isForeign) : entry
    let step = entry.hasFrame ? PageTableFormat.span(level: level - 1) : 0
    for index in 0..<PageTableFormat.entryCount {
      UnsafeMutableRawPointer(words + index).storeBytes(of: part.rawValue, as: UInt64.self)
      part.rawValue &+= step
    }
    let uses = entry.isUnmapped ? 0 : UInt32(PageTableFormat.entryCount)
    frames.pointee.setUse(
      .pageTable, value: uses &* useUnit / FrameRecord.valueUnit, of: frame)
    return table
  }

  /// Gives the frame back: nobody can be on the way through the table.
  func free() {
    let frame = PhysicalAddress(address)
    let order = frames.pointee.record(of: frame)?.order ?? 0
    frames.pointee.endUse(of: frame)
    frames.pointee.free(frame, count: 1 << order)
  }

  // MARK: Entries

  /// An entry, as faults of other CPUs and the processor's walks see it.
  @inline(__always)
  subscript(index: Int) -> TableSlot {
    TableSlot(
      place: PhysicalMemoryWindow.pointer(to: address &+ UInt64(index) &* 8).unsafelyUnwrapped
        .assumingMemoryBound(to: Atomic<UInt64>.self))
  }

  /// The entry for an address, in a table of this level.
  @inline(__always)
  func slot(_ address: UInt64, level: Int) -> TableSlot {
    self[PageTableFormat.index(of: address, level: level)]
  }

  // MARK: The record

  @inline(__always)
  private var record: UnsafeMutablePointer<Atomic<UInt32>> {
    frames.pointee.holderRecord(of: PhysicalAddress(address))
  }

  /// Waits for the table's lock. Preemption is off, and other CPUs are answered meanwhile. Acquire
  /// pairs with the release in `unlock`.
  @inline(__always)
  func lock() {
    while true {
      let seen = record.pointee.load(ordering: .relaxed)
      let held = seen | (UInt32(truncatingIfNeeded: Processor.index) &+ 1) &* Self.holderUnit
      if seen & Self.holderMask == 0,
        record.pointee.compareExchange(expected: seen, desired: held, ordering: .acquiring)
          .exchanged
      {
        return
      }
      SpinWait.turn()
    }
  }

  /// Whether this CPU has the lock.
  @inline(__always)
  var isHeldHere: Bool {
    record.pointee.load(ordering: .relaxed) & Self.holderMask
      == (UInt32(truncatingIfNeeded: Processor.index) &+ 1) &* Self.holderUnit
  }

  /// Lets the lock go. While it is held nobody else writes to the record.
  @inline(__always)
  func unlock() {
    let seen = record.pointee.load(ordering: .relaxed)
    record.pointee.store(seen & ~Self.holderMask, ordering: .releasing)
  }

  /// Whether the table was taken out of its tree. With the lock.
  @inline(__always)
  var isDetached: Bool { record.pointee.load(ordering: .relaxed) & Self.detachedBit != 0 }

  /// Notes that the table is taken out of its tree. With the lock.
  func detach() {
    let seen = record.pointee.load(ordering: .relaxed)
    record.pointee.store(seen | Self.detachedBit, ordering: .relaxed)
  }

  /// How many entries are not empty. With the lock.
  var useCount: Int { Int(record.pointee.load(ordering: .relaxed) / Self.useUnit) & 1023 }

  /// Counts entries that are no longer, or not yet, empty. With the lock.
  @inline(__always)
  func changeUseCount(by change: Int) {
    if change == 0 { return }
    let seen = record.pointee.load(ordering: .relaxed)
    record.pointee.store(
      seen &+ UInt32(truncatingIfNeeded: change) &* Self.useUnit, ordering: .relaxed)
  }
}

/// One entry of a table, which several CPUs read and change at the same time.
struct TableSlot {
  let place: UnsafeMutablePointer<Atomic<UInt64>>

  /// Acquire pairs with the release of whoever installed a table: its entries are seen filled.
  @inline(__always)
  func load() -> PageTableEntry {
    PageTableEntry(rawValue: place.pointee.load(ordering: .acquiring))
  }

  /// Replaces the entry and returns the one before. A full fence, on which what is sent to other
  /// CPUs afterwards relies.
  @inline(__always)
  func exchange(_ entry: PageTableEntry) -> PageTableEntry {
    PageTableEntry(
      rawValue: place.pointee.exchange(entry.rawValue, ordering: .acquiringAndReleasing))
  }

  /// Replaces the entry if it is still `expected`. Release: what the new entry leads to is seen
  /// filled by whoever finds it.
  @inline(__always)
  func replace(_ expected: PageTableEntry, by entry: PageTableEntry) -> Bool {
    place.pointee.compareExchange(
      expected: expected.rawValue, desired: entry.rawValue, ordering: .acquiringAndReleasing
    ).exchanged
  }

  // MARK: Holders

  /// The CPUs that have a copy of the entry, which is one of a table with holders.
  @inline(__always)
  private var holders: UnsafeMutablePointer<Atomic<UInt64>> {
    place + PageTableFormat.entryCount
  }

  @inline(__always)
  private static var ownBit: UInt64 { 1 << UInt64(truncatingIfNeeded: Processor.index) }

  /// Adds this CPU, before it looks at the entry again. Who changes the entry reads the set afterwards,
  /// by an exchange too: the one that comes later sees the other's bit, or the other's entry.
  @inline(__always)
  func addHolder() {
    holders.pointee.bitwiseOr(Self.ownBit, ordering: .acquiringAndReleasing)
  }

  /// Takes this CPU out, which has nothing of the entry any more. Release: what it did with the page is
  /// done before the page is anything else.
  @inline(__always)
  func removeHolder() { holders.pointee.bitwiseAnd(~Self.ownBit, ordering: .releasing) }

  /// The CPUs that have a copy of an entry. To be relied upon after a fence that pairs with one between
  /// `addHolder` and what it is for.
  @inline(__always)
  var seenHolders: UInt64 { holders.pointee.load(ordering: .acquiring) }

  /// The CPUs that have a copy of an entry that was changed before. An exchange that changes nothing: see
  /// `addHolder`.
  @inline(__always)
  func currentHolders() -> UInt64 {
    holders.pointee.bitwiseOr(0, ordering: .acquiringAndReleasing).oldValue
  }

  /// The same, where these CPUs are told to have none afterwards.
  @inline(__always)
  func takeHolders() -> UInt64 { holders.pointee.exchange(0, ordering: .acquiringAndReleasing) }

  // MARK: Storing

  /// Writes an entry that faults leave alone.
  @inline(__always)
  func store(_ entry: PageTableEntry) {
    place.pointee.store(entry.rawValue, ordering: .releasing)
  }
}
