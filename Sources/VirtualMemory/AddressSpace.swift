import Boot
import Locking
import Machine
import PerCPU
import PhysicalMemory

/// A range of virtual addresses whose memory comes with the first access.
///
/// The page table is the truth: also an entry that leads nowhere says what the page is, at any level,
/// so a promise of 1 GiB is one entry. A fault turns the promise into a page by one compare-and-swap
/// and takes no lock. Operations on ranges hold the tables that they cover; two that do not overlap,
/// and do not share a table, meet nowhere, and none waits for a fault.
///
/// All operations may be called on any CPU, by several at once, but not in interrupts, not with
/// spin locks held above `AddressSpaceLevel`, and not by code that runs in a fault. They do not sleep.
public struct AddressSpace: ~Copyable, Sendable {
  private let allocator = BootConstant<UInt64>(0)
  private let root = BootConstant<UInt64>(0)
  private let lowest = BootConstant<UInt64>(0)
  private let limit = BootConstant<UInt64>(0)
  /// The CPUs whose processors may use the tables.
  private let active = Atomic<UInt64>(0)
  let removedTables = RemovedTables()
  let areaKinds = AreaKinds()

  /// An address space that is nowhere yet.
  public init() {}

  /// Takes the addresses from `start` up to `end` of the tree of tables at physical address `root`,
  /// of which nobody else changes that part; the root is a frame of `frames`, which stays where it is.
  /// On the boot CPU.
  public func initialize(
    root: UInt64, from start: UInt64, to end: UInt64, on frames: UnsafePointer<FrameAllocator>
  ) {
    allocator.set(UInt64(UInt(bitPattern: frames)))
    self.root.set(root)
    lowest.set(start)
    limit.set(end)
  }

  var rootTable: TablePage { TablePage(root.value, of: frames) }

  /// The first address of the space.
  var lowestAddress: UInt64 { lowest.value }
  /// One more than the last one.
  var endOfAddresses: UInt64 { limit.value }

  @inline(__always)
  var frames: UnsafePointer<FrameAllocator> {
    guard let frames = UnsafePointer<FrameAllocator>(bitPattern: UInt(allocator.value)) else {
      fatalError("an address space is used before it is somewhere")
    }
    return frames
  }

  // MARK: CPUs

  /// Makes the calling CPU one that is told of changes, before it uses the tables. A full fence: what
  /// was changed before is seen by its first walk.
  public func activate() {
    active.bitwiseOr(CPUSet(.current).rawValue, ordering: .sequentiallyConsistent)
  }

  /// The calling CPU uses the tables no more, and has forgotten them.
  public func deactivate() {
    active.bitwiseAnd(~CPUSet(.current).rawValue, ordering: .releasing)
  }

  /// Waits until no CPU can be on its way through a table that was removed, and frees them all. With
  /// no lock held; not in interrupts.
  public func freeRemovedTables() { removedTables.freeAll(of: frames) }

  // MARK: Faults

  /// Does what an access needs that the processor could not do. Interrupts as they were; nothing
  /// sleeps, no lock is taken but the frame allocator's when its caches are empty.
  public func handle(_ fault: PageFault) -> PageFault.Outcome {
    guard fault.address >= lowest.value, fault.address < limit.value else { return .unmapped }
    while true {
      let outcome = Epoch.shared.read { fault.resolve(in: rootTable) }
      if outcome == .busy {
        // A range operation is on its way: it waits for this CPU, too.
        SpinWait.turn()
      } else {
        return outcome
      }
    }
  }

  // MARK: Ranges

  /// Promises memory at a range of addresses of whole pages where nothing is.
  public func map(
    at start: UInt64, byteCount: UInt64, _ permissions: PagePermissions,
    as kind: AreaKind = .anonymous,
    replacing: Bool = false
  ) throws(AddressSpaceError) {
    try withNumber(of: kind) { number throws(AddressSpaceError) in
      let promise = PageTableEntry(reserved: permissions, area: number)
      try perform(replacing ? .replace(promise) : .reserve(promise), at: start, byteCount)
    }
  }

  /// Takes away all that is mapped in a range. When it returns, no CPU reaches the old pages any more
  /// and they are free.
  public func unmap(at start: UInt64, byteCount: UInt64) throws(AddressSpaceError) {
    try perform(.unmap, at: start, byteCount)
  }

  /// Gives all that is mapped in a range other permissions.
  public func protect(
    at start: UInt64, byteCount: UInt64, _ permissions: PagePermissions
  ) throws(AddressSpaceError) {
    try perform(.protect(permissions), at: start, byteCount)
  }

  /// Frees the pages of a range; what is accessed again is zero.
  public func discard(at start: UInt64, byteCount: UInt64) throws(AddressSpaceError) {
    try perform(.drop, at: start, byteCount)
  }

  private func check(_ start: UInt64, _ byteCount: UInt64) throws(AddressSpaceError) -> UInt64 {
    let page = PageTableFormat.span(level: 0)
    guard byteCount > 0, (start | byteCount) & (page &- 1) == 0 else {
      throw .notPageAligned(start: start, byteCount: byteCount)
    }
    let (end, overflow) = start.addingReportingOverflow(byteCount)
    guard !overflow, start >= lowest.value, end <= limit.value else {
      throw .outOfBounds(start: start, byteCount: byteCount)
    }
    return end
  }

  private func perform(
    _ kind: RangeChange.Kind, at start: UInt64, _ byteCount: UInt64
  ) throws(AddressSpaceError) {
    let end = try check(start, byteCount)
    let change = RangeChange(kind)
    try Epoch.shared.read { () throws(AddressSpaceError) in
      var operation = RangeOperation(change, from: start, to: end, root: rootTable)
      var failure: AddressSpaceError?
      do throws(FrameAllocatorError) {
        try operation.prepare()
        if change.refusesOccupied && operation.wasOccupied {
          failure = .occupied(start: start, byteCount: byteCount)
        } else {
          operation.apply()
        }
      } catch {
        failure = .outOfMemory
      }
      let emptyLevel = complete(operation)
      if let emptyLevel { removeEmptyTables(at: start, level: emptyLevel) }
      if let failure { throw failure }
    }
    removedTables.freeThosePassed(of: frames)
  }

  /// Ends an operation; returns the level of its table if that is empty.
  @inline(__always)
  private func complete(_ operation: consuming RangeOperation) -> Int? {
    if operation.isStale {
      TLBShootdown.run(on: activeCPUs, from: operation.start, to: operation.end)
    }
    return operation.finish { removedTables.add($0) }
  }

  /// Takes tables out that have nothing left in them, from `level` upwards.
  @inline(never)
  private func removeEmptyTables(at address: UInt64, level: Int) {
    var level: Int? = level
    while let emptyLevel = level {
      let span = PageTableFormat.span(level: emptyLevel + 1)
      let start = address & ~(span &- 1)
      var operation = RangeOperation(
        RangeChange(.unmap), from: start, to: start &+ span, root: rootTable)
      // Somebody may have mapped something there since.
      if operation.holdsEmptyTable() { operation.apply() }
      level = complete(operation)
    }
  }

  /// The CPUs to tell of what was changed before. The fence pairs with the one in `activate`: either
  /// the CPU is seen here, or it finds the new entries.
  private var activeCPUs: CPUSet {
    memoryFence(ordering: .sequentiallyConsistent)
    return CPUSet(bits: active.load(ordering: .relaxed))
  }
}
