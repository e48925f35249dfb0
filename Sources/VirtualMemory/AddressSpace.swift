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
  private let schemeNumber = BootConstant<UInt64>(0)
  private let cpuCount = BootConstant<Int>(0)
  /// What each CPU has for itself.
  private let tables = CPULocal<PrivateTables.State>()
  /// The CPUs whose processors may use the tables.
  private let active = Atomic<UInt64>(0)
  let removedTables = RemovedTables()
  let areaKinds = AreaKinds()

  /// An address space that is nowhere yet.
  public init() {}

  /// Takes the addresses from `start` up to `end`, whole entries of a root table, for CPUs with
  /// indices below `cpuCount`. `frames` stays where it is. Before any other CPU uses it.
  public func initialize(
    from start: UInt64 = AddressSpace.lowestAddress, to end: UInt64 = AddressSpace.addressLimit,
    scheme: PageTableScheme, cpuCount: Int, on frames: UnsafePointer<FrameAllocator>
  ) throws(FrameAllocatorError) {
    let byteCount = CPULocal<PrivateTables.State>.byteCount(for: cpuCount)
    let pageCount = (byteCount + 4095) / 4096
    let root = try TablePage.makeRoot(of: frames, hasHolders: scheme.hasHoldersOfPages)
    let storage: PhysicalAddress
    do throws(FrameAllocatorError) {
      storage = try frames.pointee.allocate(count: pageCount)
    } catch {
      root.free()
      throw error
    }
    guard let memory = PhysicalMemoryWindow.pointer(to: storage.rawValue) else { return }
    tables.initialize(in: memory, count: cpuCount) { _ in
      PrivateTables.State(scheme: scheme, frames: frames, start: start, end: end)
    }
    allocator.set(UInt64(UInt(bitPattern: frames)))
    self.root.set(root.address)
    lowest.set(start)
    limit.set(end)
    schemeNumber.set(scheme.rawValue)
    self.cpuCount.set(cpuCount)
  }

  /// How its CPUs see the page tables.
  public var scheme: PageTableScheme {
    PageTableScheme(rawValue: schemeNumber.value) ?? .shared
  }

  var rootTable: TablePage {
    TablePage(root.value, of: frames, hasHolders: scheme.hasHoldersOfPages)
  }

  /// With preemption off.
  private var ownTables: PrivateTables { PrivateTables(tables.current) }

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

  /// Makes the root of a CPU that does not run yet, so that its `activate` cannot fail.
  public func prepare(for cpu: CPU) throws(AddressSpaceError) {
    do throws(FrameAllocatorError) {
      try PrivateTables(tables.pointer(for: cpu)).makeRoot()
    } catch {
      throw .outOfMemory
    }
  }

  /// Makes the calling CPU use these page tables. The first time it makes the CPU's own root, which
  /// may fail. Not in interrupts; the thread stays on this CPU until `deactivate`.
  public func activate() throws(AddressSpaceError) {
    Processor.disablePreemption()
    defer { Processor.enablePreemption() }
    let own = ownTables
    do throws(FrameAllocatorError) { try own.makeRoot() } catch { throw .outOfMemory }
    // Before the first walk, and a full fence: what was changed before is found by it.
    active.bitwiseOr(CPUSet(.current).rawValue, ordering: .sequentiallyConsistent)
    AddressTranslation.use(root: own.root.address)
  }

  /// Makes the calling CPU use the kernel's page tables alone. What it has of its own stays, to be used
  /// when it comes back.
  public func deactivate() {
    Processor.disablePreemption()
    // What it remembers is forgotten before it is not told any more.
    AddressTranslation.use(root: KernelAddressSpace.shared.rootAddress)
    active.bitwiseAnd(~CPUSet(.current).rawValue, ordering: .releasing)
    Processor.enablePreemption()
  }

  /// Gives back the memory that the calling CPU's own tables take, and its root. After `deactivate`; not
  /// in interrupts. Takes as long as there are pages in the tables.
  public func releaseTables() {
    Epoch.shared.read { ownTables.release(commonRoot: rootTable) }
  }

  /// What a CPU has counted of the shootdowns of this address space. Exact when it does none just now.
  public func shootdownCounts(of cpu: CPU) -> ShootdownCounts {
    guard cpu.index < cpuCount.value else { return ShootdownCounts() }
    return tables.pointer(for: cpu).pointee.counts.values
  }

  /// Waits until no CPU can be on its way through a table that was removed, and frees them all. With
  /// no lock held; not in interrupts.
  public func freeRemovedTables() {
    releasePrivateTables()
    removedTables.freeAll(of: frames)
  }

  /// Frees what the CPUs do not need of their own tables.
  @inline(never)
  private func releasePrivateTables() {
    var cpus = CPUSet()
    for index in 0..<cpuCount.value {
      let cpu = CPU(index: index)
      if PrivateTables(tables.pointer(for: cpu)).hasEmptyTables { cpus.insert(cpu) }
    }
    if !cpus.isEmpty { TLBShootdown.releaseEmptyTables(on: cpus, tables) }
    for index in 0..<cpuCount.value {
      PrivateTables(tables.pointer(for: CPU(index: index))).freeUnlinked()
    }
  }

  // MARK: Faults

  /// Does what an access needs that the processor could not do. Interrupts as they were; nothing
  /// sleeps, no lock is taken but the frame allocator's when its caches are empty.
  public func handle(_ fault: PageFault) -> PageFault.Outcome {
    guard fault.address >= lowest.value, fault.address < limit.value else { return .unmapped }
    while true {
      let outcome = Epoch.shared.read { fault.resolve(in: rootTable, for: ownTables) }
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
    Processor.withPreemptionDisabled { ownTables.freeUnlinked() }
  }

  /// Ends an operation; returns the level of its table if that is empty.
  @inline(__always)
  private func complete(_ operation: consuming RangeOperation) -> Int? {
    if operation.isStale {
      TLBShootdown.run(
        on: cpusToTell(of: operation), tables, from: operation.start, to: operation.end,
        keeping: operation.change.keptPermissions)
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

  /// The CPUs that may have something of what was changed before: those that have a copy of it, or that
  /// use the tables and have a copy of an entry on the way to it. The fence pairs with the ones in
  /// `activate` and `fillRoot`: either the CPU is seen here, or it finds the new entries.
  private func cpusToTell(of operation: borrowing RangeOperation) -> CPUSet {
    if scheme == .perCPU { return CPUSet(bits: operation.holders) }
    memoryFence(ordering: .sequentiallyConsistent)
    var users: UInt64 = 0
    var part = RangeParts(
      level: PageTableFormat.rootLevel, from: operation.start, to: operation.end)
    while part.goesOn {
      users |= rootTable[part.index].seenHolders
      part.advance()
    }
    return CPUSet(bits: operation.holders | users & active.load(ordering: .relaxed))
  }
}
