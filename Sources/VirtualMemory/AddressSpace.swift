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
  let lowest = BootConstant<UInt64>(0)
  let limit = BootConstant<UInt64>(0)
  private let usesPrivateTables = BootConstant<UInt64>(0)
  let cpuCount = BootConstant<Int>(0)
  /// What each CPU has of the page tables for itself.
  let privateTables = CPULocal<PrivateTables.State>()
  /// The CPUs whose processors may use the tables.
  let active = Atomic<UInt64>(0)
  let removedTables = RemovedTables()
  /// The parts of the local addresses that are taken, see `takeLocalRange`.
  let localRanges = Atomic<UInt64>(0)
  private let cpuArenas = CPULocal<Arena>()
  private let cpuCommonArenas = CPULocal<Arena>()
  let areaKinds = AreaKinds()

  /// An address space that is nowhere yet.
  public init() {}

  /// Takes the addresses from `start` up to `end`, whole entries of a root table, for the CPUs with
  /// indices below `cpuCount`. The tables, and the CPUs' storage, are frames of `frames`, which stays where
  /// it is. On the boot CPU.
  public func initialize(
    from start: UInt64 = AddressSpace.lowestAddress, to end: UInt64 = AddressSpace.addressLimit,
    scheme: PageTableScheme, on frames: UnsafePointer<FrameAllocator>, cpuCount: Int
  ) throws(FrameAllocatorError) {
    let root = try TablePage.makeRoot(of: frames, hasHolders: scheme.hasHoldersOfPages)
    allocator.set(UInt64(UInt(bitPattern: frames)))
    self.root.set(root.address)
    lowest.set(start)
    limit.set(end)
    usesPrivateTables.set(scheme == .perCPU ? 1 : 0)
    self.cpuCount.set(cpuCount)
    let storage = try frames.pointee.allocate(count: storageFrameCount)
    let arenasByteCount = CPULocal<Arena>.byteCount(for: cpuCount)
    let pointer = PhysicalMemoryWindow.pointer(to: storage.rawValue).unsafelyUnwrapped
    cpuArenas.initialize(in: pointer, count: cpuCount) { arenas.own(of: $0.index) }
    cpuCommonArenas.initialize(in: pointer + arenasByteCount, count: cpuCount) {
      arenas.commonPart(of: $0.index)
    }
    privateTables.initialize(in: pointer + 2 * arenasByteCount, count: cpuCount) { _ in
      PrivateTables.State(scheme: scheme, frames: frames, start: start, end: end)
    }
  }

  /// How many frames the CPUs' storage takes, and where it is.
  var storageFrameCount: Int {
    let byteCount =
      2 * CPULocal<Arena>.byteCount(for: cpuCount.value)
      + CPULocal<PrivateTables.State>.byteCount(for: cpuCount.value)
    let frameSize = Int(FrameAllocator.frameSize)
    return (byteCount + frameSize - 1) / frameSize
  }

  var storage: UnsafeRawPointer {
    UnsafeRawPointer(cpuArenas.pointer(for: CPU(index: 0)))
  }

  /// How much of the page tables each CPU has for itself.
  @inline(__always)
  public var scheme: PageTableScheme { usesPrivateTables.value != 0 ? .perCPU : .shared }

  static let pageSize = FrameAllocator.frameSize

  /// The root of the tree that all CPUs share.
  @inline(__always)
  var rootTable: TablePage {
    TablePage(root.value, of: frames, hasHolders: scheme.hasHoldersOfPages)
  }

  /// What this CPU has for itself. With preemption off.
  @inline(__always)
  var ownTables: PrivateTables { PrivateTables(privateTables.current) }

  /// The first address of the space.
  var lowestAddress: UInt64 { lowest.value }

  @inline(__always)
  var frames: UnsafePointer<FrameAllocator> {
    guard let frames = UnsafePointer<FrameAllocator>(bitPattern: UInt(allocator.value)) else {
      fatalError("an address space is used before it is somewhere")
    }
    return frames
  }

  @inline(__always)
  var arenas: Arenas { Arenas(from: lowest.value, to: limit.value) }

  /// What this CPU notes about its arena. With preemption off.
  @inline(__always)
  var ownArena: UnsafeMutablePointer<Arena> { cpuArenas.current }

  /// The same about its part of the arena for all CPUs.
  @inline(__always)
  var commonArena: UnsafeMutablePointer<Arena> { cpuCommonArenas.current }

  // MARK: Faults

  /// Does what an access needs that the processor could not do. Interrupts as they were; nothing
  /// sleeps. No lock is taken but the frame allocator's when its caches are empty, and for a copy that a
  /// write needs the one of the page's table.
  public func handle(_ fault: PageFault) -> PageFault.Outcome {
    resolveQuickly(fault) ? .resolved : handleSlowly(fault)
  }

  /// The same on a small stack, for accesses that never need a copy: the result is `needsCopy` if one
  /// does.
  public func handleWithoutCopying(_ fault: PageFault) -> PageFault.Outcome {
    resolve(fault)
  }

  @inline(__always)
  private func resolveQuickly(_ fault: PageFault) -> Bool {
    guard fault.address >= lowest.value, fault.address < limit.value else { return false }
    let section = Epoch.shared.enter()
    let isResolved = fault.resolveQuickly(in: rootTable, for: ownTables)
    section.leave()
    return isResolved
  }

  @inline(never)
  private func handleSlowly(_ fault: PageFault) -> PageFault.Outcome {
    while true {
      let outcome = resolve(fault)
      if outcome != .needsCopy { return outcome }
      if !copyPage(at: fault.address) { return .outOfMemory }
    }
  }

  private func resolve(_ fault: PageFault) -> PageFault.Outcome {
    guard fault.address >= lowest.value, fault.address < limit.value else { return .unmapped }
    while true {
      let outcome = Epoch.shared.read {
        fault.resolve(in: rootTable, for: ownTables, kinds: areaKinds)
      }
      if outcome != .busy { return outcome }
      // A range operation is on its way: it waits for this CPU, too.
      SpinWait.turn()
    }
  }

  // MARK: Operations

  /// Checks a range of whole pages; returns where it ends.
  @inline(__always)
  func check(_ start: UInt64, _ byteCount: UInt64) throws(AddressSpaceError) -> UInt64 {
    let (end, overflow) = start.addingReportingOverflow(byteCount)
    guard byteCount > 0, (start | byteCount) & (Self.pageSize &- 1) == 0, !overflow,
      start >= lowest.value, end <= limit.value
    else { throw refusal(of: start, byteCount) }
    return end
  }

  @inline(never)
  private func refusal(of start: UInt64, _ byteCount: UInt64) -> AddressSpaceError {
    if byteCount == 0 { return .empty }
    if (start | byteCount) & (Self.pageSize - 1) != 0 {
      return .notPageAligned(start: start, byteCount: byteCount)
    }
    return .outOfBounds(
      start: start, byteCount: byteCount, lowest: lowest.value, limit: limit.value)
  }

  /// Changes a checked range.
  @inline(never)
  func perform(
    _ change: RangeChange, from start: UInt64, to end: UInt64
  ) throws(AddressSpaceError) {
    let section = Epoch.shared.enter()
    let cover = CoveringTable(from: start, to: end, root: rootTable)
    let refusal = perform(change, from: start, to: end, in: cover)
    section.leave()
    if let refusal { throw refusal }
    trimIfNeeded()
  }

  /// The same within an epoch section, where the covering table is locked; returns why it was refused.
  @inline(never)
  func perform(
    _ change: RangeChange, from start: UInt64, to end: UInt64, in cover: CoveringTable
  ) -> AddressSpaceError? {
    var operation = RangeOperation(change, from: start, to: end, in: cover)
    var refusal: AddressSpaceError?
    do throws(FrameAllocatorError) {
      try operation.prepare()
      if operation.obstacleEnd == nil { operation.apply() }
      if let end = operation.obstacleEnd { refusal = .occupied(obstacleEnd: end) }
    } catch {
      refusal = .outOfMemory
    }
    complete(operation)
    return refusal
  }

  /// Ends an operation whose changes are made, in its epoch section.
  @inline(__always)
  func complete(_ operation: consuming RangeOperation) {
    let isStale = operation.isStale
    if isStale {
      TLBShootdown.run(
        on: cpusToTell(holders: operation.holders, from: operation.start, to: operation.end),
        privateTables, from: operation.start, to: operation.end,
        keeping: operation.change.keptPermissions)
    }
    if operation.emptiedTableCount != 0 {
      ownArena.pointee.emptyTableCount &+= operation.emptiedTableCount
    }
    operation.finish { removedTables.add($0) }
    if isStale { ownTables.freeUnlinked() }
  }

  /// The CPUs that may have something of what was changed before: those that have a copy of it; or, where
  /// the tables are shared, those that use them and have a copy of an entry on the way to it. The fence
  /// pairs with the ones in `activate` and `PrivateTables`: either the CPU is seen here, or it finds the
  /// new entries.
  func cpusToTell(holders: UInt64, from start: UInt64, to end: UInt64) -> CPUSet {
    if scheme == .perCPU { return CPUSet(bits: holders) }
    memoryFence(ordering: .sequentiallyConsistent)
    var users: UInt64 = 0
    var part = RangePart(level: PageTableFormat.rootLevel, from: start, to: end)
    while part.goesOn {
      users |= rootTable[part.index].seenHolders
      part.advance()
    }
    return CPUSet(bits: users & active.load(ordering: .relaxed))
  }

  // MARK: Empty tables

  /// Takes out empty tables when this CPU has left too many behind. Outside of epoch sections.
  @inline(never)
  func trimIfNeeded() {
    let found = Processor.withPreemptionDisabled { () -> (own: Arena, common: Arena)? in
      guard ownArena.pointee.hasTooManyEmptyTables else { return nil }
      ownArena.pointee.emptyTableCount = 0
      return (ownArena.pointee, commonArena.pointee)
    }
    guard let found else { return }
    trim(from: found.own.start, to: found.own.end)
    if found.common.start != found.own.start {
      trim(from: found.common.start, to: found.common.end)
    }
    removedTables.freeThosePassed(of: frames)
  }

  private func trim(from start: UInt64, to end: UInt64) {
    Epoch.shared.read {
      var operation = RangeOperation(
        RangeChange(.trim), from: start, to: end,
        in: CoveringTable.find(from: start, to: end, root: rootTable))
      operation.trim()
      complete(operation)
    }
  }

  /// Frees all memory that nobody uses: empty tables, also those that CPUs have for themselves. The table of
  /// an arena, one frame for 512 GiB, stays. Waits until no CPU is on its way through a table that was removed;
  /// with no lock held, not in interrupts.
  public func reclaim() {
    trimAll()
    releasePrivateTables()
    removedTables.freeAll(of: frames)
  }

  /// Takes all empty tables out; they are still to be freed.
  func trimAll() {
    for number in 0..<arenas.count { trim(from: arenas.start(number), to: arenas.end(number)) }
  }

  private func releasePrivateTables() {
    var cpus = CPUSet()
    for index in 0..<cpuCount.value {
      let cpu = CPU(index: index)
      if PrivateTables(privateTables.pointer(for: cpu)).hasEmptyTables { cpus.insert(cpu) }
    }
    if !cpus.isEmpty { TLBShootdown.releaseEmptyTables(on: cpus, privateTables) }
    for index in 0..<cpuCount.value {
      PrivateTables(privateTables.pointer(for: CPU(index: index))).freeUnlinked()
    }
  }
}
