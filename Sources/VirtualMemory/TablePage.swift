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
  /// Whether in its tree it is known of each page which CPUs hold it: see `TableSlot.holders`. The root
  /// of a tree that CPUs share knows the holders of its entries in any case.
  let hasHolders: Bool

  @inline(__always)
  init(_ address: UInt64, of frames: UnsafePointer<FrameAllocator>, hasHolders: Bool = false) {
    self.address = address
    self.frames = frames
    self.hasHolders = hasHolders
  }

  /// The table that an entry of this one leads to.
  @inline(__always)
  func child(_ entry: PageTableEntry) -> TablePage { table(at: entry.address) }

  /// Another table of the same tree.
  @inline(__always)
  func table(at address: UInt64) -> TablePage {
    TablePage(address, of: frames, hasHolders: hasHolders)
  }

  // What the record's value says: bit 0 to 6 one more than the CPU that holds the lock, or 0; bit 7
  // detached; from bit 8 on how many entries are not empty.
  private static let holderUnit = FrameRecord.valueUnit
  private static let holderMask = 127 &* FrameRecord.valueUnit
  private static let detachedBit = 128 &* FrameRecord.valueUnit
  private static let useUnit = 256 &* FrameRecord.valueUnit

  /// What the record says when this CPU has the lock.
  @inline(__always)
  private static var holder: UInt32 {
    (UInt32(truncatingIfNeeded: Processor.index) &+ 1) &* holderUnit
  }

  /// The empty root of a tree that CPUs share.
  static func makeRoot(
    of frames: UnsafePointer<FrameAllocator>, hasHolders: Bool
  ) throws(FrameAllocatorError) -> TablePage {
    let frame = try allocate(frameCount: 2, of: frames)
    zero(frame, frameCount: 2)
    return TablePage(frame.rawValue, of: frames, hasHolders: hasHolders)
  }

  /// Takes memory for a table at `level` of the tree of `other`, which has no entries yet and that nobody
  /// may find before `fill`.
  static func allocate(
    level: Int, of other: TablePage
  ) throws(FrameAllocatorError) -> TablePage {
    guard other.hasHolders && level <= PageTableFormat.largestPageLevel else {
      return other.table(at: try allocate(frameCount: 1, of: other.frames).rawValue)
    }
    let frame = try allocate(frameCount: 2, of: other.frames)
    // The second one: nobody holds a page.
    zero(PhysicalAddress(frame.rawValue + FrameAllocator.frameSize), frameCount: 1)
    return other.table(at: frame.rawValue)
  }

  /// One block, so that the record of its first frame says how large it is.
  @inline(__always)
  private static func allocate(
    frameCount: Int, of frames: UnsafePointer<FrameAllocator>
  ) throws(FrameAllocatorError) -> PhysicalAddress {
    let frame = try frames.pointee.allocate(
      count: frameCount, alignment: UInt64(frameCount) * FrameAllocator.frameSize)
    frames.pointee.setUse(.pageTable, value: 0, of: frame)
    return frame
  }

  private static func zero(_ frame: PhysicalAddress, frameCount: Int) {
    PhysicalMemoryWindow.zero(
      frame.rawValue, byteCount: frameCount * Int(FrameAllocator.frameSize))
  }

  /// Makes all entries say the same as `entry` did, which leads to no table and is at `level`, one above
  /// this one's. Nobody else knows the table; on request this CPU holds its lock from the start.
  func fill(splitting entry: PageTableEntry, level: Int, isHeld: Bool) {
    let words = UnsafeMutableRawPointer(self[0].place)
      .assumingMemoryBound(to: UInt64.self)
    var (first, last) = (0, PageTableFormat.entryCount &- 1)
    var uses = 0
    var step: UInt64 = 0
    if entry.hasFrame {
      // A large page becomes smaller ones in a row.
      step = PageTableFormat.span(level: level &- 1)
    } else if entry.isReserved {
      (first, last) = (entry.firstReserved, entry.lastReserved)
    }
    if entry.isUnmapped || last &- first != PageTableFormat.entryCount &- 1 {
      words.initialize(repeating: 0, count: PageTableFormat.entryCount)
    }
    if !entry.isUnmapped {
      var part = entry.part(first, level: level)
      var index = first
      while index <= last {
        words[index] = part.rawValue
        part.rawValue &+= step
        index &+= 1
      }
      uses = last &- first &+ 1
    }
    let holder = isHeld ? Self.holder : 0
    record.pointee.store(
      record.pointee.load(ordering: .relaxed)
        &+ UInt32(truncatingIfNeeded: uses) &* Self.useUnit &+ holder, ordering: .relaxed)
  }

  /// Undoes `fill` for a table that nobody has found and whose lock is free.
  func clearUseCount() {
    let seen = record.pointee.load(ordering: .relaxed)
    record.pointee.store(seen % Self.holderUnit, ordering: .relaxed)
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
      let held = seen | Self.holder
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
    record.pointee.load(ordering: .relaxed) & Self.holderMask == Self.holder
  }

  /// Lets the lock go. While it is held nobody else writes to the record.
  @inline(__always)
  func unlock() {
    let seen = record.pointee.load(ordering: .relaxed)
    record.pointee.store(seen & ~Self.holderMask, ordering: .releasing)
  }

  /// The same after entries became empty, or not empty, in one write; returns how many were not empty
  /// before and after.
  @inline(__always)
  func unlock(changingUseCountBy change: Int) -> (before: Int, after: Int) {
    let seen = record.pointee.load(ordering: .relaxed)
    let new = seen &+ UInt32(truncatingIfNeeded: change) &* Self.useUnit
    record.pointee.store(new & ~Self.holderMask, ordering: .releasing)
    return (Self.useCount(seen), Self.useCount(new))
  }

  /// Whether the table was taken out of its tree. With the lock.
  @inline(__always)
  var isDetached: Bool { record.pointee.load(ordering: .relaxed) & Self.detachedBit != 0 }

  /// Notes that the table is taken out of its tree. With the lock.
  func detach() {
    let seen = record.pointee.load(ordering: .relaxed)
    record.pointee.store(seen | Self.detachedBit, ordering: .relaxed)
  }

  /// How many entries are not empty. With the lock; without it a number that may be old.
  @inline(__always)
  var useCount: Int { Self.useCount(record.pointee.load(ordering: .relaxed)) }

  @inline(__always)
  private static func useCount(_ record: UInt32) -> Int {
    Int(truncatingIfNeeded: record / useUnit) & 1023
  }

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
struct TableSlot: Equatable {
  let place: UnsafeMutablePointer<Atomic<UInt64>>

  /// The entry behind it.
  @inline(__always)
  var next: TableSlot { TableSlot(place: place + 1) }

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

  /// Writes an entry that faults leave alone.
  @inline(__always)
  func store(_ entry: PageTableEntry) {
    place.pointee.store(entry.rawValue, ordering: .releasing)
  }

  // MARK: Holders

  /// The CPUs that have a copy of the entry, which is one of a table with holders: in the frame behind
  /// the table's.
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
}
