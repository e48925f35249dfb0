import Machine
import PerCPU

/// Memory that other CPUs may still be reading is given back when none can be: epoch reclamation.
///
/// A CPU reads shared structures inside of a section (`read`), which it announces in a word of its own;
/// no line that two CPUs write is touched. Who takes an object out of such a structure retires it, and
/// it is reclaimed when every section that was open at that time is closed: the global epoch goes
/// up only when all open sections have seen it, so an object that was retired in epoch e has no reader
/// left in epoch e + 2. A CPU that is idle, or not online, has no section open and holds up nothing.
///
/// Nothing waits for an epoch with a lock held or inside of a section: `synchronize` is the only
/// call that waits. Modelled in `Models/Epoch.pml`.
public struct Epoch: ~Copyable, Sendable {
  /// What a CPU has of its own.
  @usableFromInline
  struct Local: ~Copyable {
    /// The epoch that the open section has seen, doubled, plus 1; 0 without one. Read by all CPUs.
    @usableFromInline let announcement = Atomic<UInt64>(0)
    /// What this CPU has retired, oldest first. Its own.
    var oldest: UnsafeMutablePointer<RetiredObject>?
    var newest: UnsafeMutablePointer<RetiredObject>?
    var count = 0
    var isReclaiming = false
  }

  @usableFromInline let current = Atomic<UInt64>(1)
  @usableFromInline let locals = CPULocal<Local>()

  /// Epochs without storage.
  public init() {}

  /// The kernel's.
  public static let shared = Epoch()

  /// Memory that `count` CPUs need.
  public static func byteCount(for count: Int) -> Int { CPULocal<Local>.byteCount(for: count) }

  /// Makes sections possible; `storage` is never freed. On the boot CPU.
  public func initialize(in storage: UnsafeMutableRawPointer, count: Int) {
    locals.initialize(in: storage, count: count) { _ in Local() }
  }

  /// Runs `body` in a section: what it reads of structures whose objects are retired here stays there
  /// until it returns. Nothing in it may sleep or wait for other CPUs. Sections nest, and handlers may
  /// have theirs at any time. Any context. Two loads, a store with a fence, a store.
  @inline(__always)
  public borrowing func read<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let section = enter()
    do throws(Failure) {
      let result = try body()
      section.leave()
      return result
    } catch {
      section.leave()
      throw error
    }
  }

  /// Opens a section until `leave` of the result: for those that no closure can span, else see `read`.
  @inline(__always)
  public borrowing func enter() -> EpochSection {
    Processor.disablePreemption()
    let local = locals.pointer(for: .current)
    // A handler that comes in between leaves the word as it found it.
    let isOutermost = local.pointee.announcement.load(ordering: .relaxed) == 0
    if isOutermost {
      local.pointee.announcement.store(
        current.load(ordering: .relaxed) << 1 | 1, ordering: .relaxed)
      // The announcement is seen before anything is read: pairs with the fence in `tryAdvance`.
      memoryFence(ordering: .sequentiallyConsistent)
    }
    return EpochSection(local, isOutermost: isOutermost)
  }

  /// Whether this CPU is inside of a section. Where the thread cannot be moved to another CPU.
  @inline(__always)
  public var isInside: Bool {
    locals.pointer(for: .current).pointee.announcement.load(ordering: .relaxed) != 0
  }

  /// The stamp of what was taken out of its structure just before: see `hasPassed`. Any context.
  @inline(__always)
  public borrowing func stamp() -> UInt64 {
    // What was taken out is not found any more by a section that opens with a later epoch.
    memoryFence(ordering: .sequentiallyConsistent)
    return current.load(ordering: .relaxed)
  }

  /// Whether all sections are closed that could have found what was taken out before `stamp`: it may be
  /// reclaimed. Any context.
  @inline(__always)
  public borrowing func hasPassed(_ stamp: UInt64) -> Bool {
    // Acquire pairs with the release in `tryAdvance`: all sections of older epochs are closed.
    stamp + 2 <= current.load(ordering: .acquiring)
  }

  /// Hands over an object that no structure leads to any more, to be reclaimed in time. It is noted
  /// only: locks may be held. Not in interrupts.
  public borrowing func retire(
    _ object: UnsafeMutablePointer<RetiredObject>,
    _ reclaim: @escaping @convention(c) (UnsafeMutableRawPointer) -> Void
  ) {
    object.initialize(to: RetiredObject(stamp: stamp(), reclaim: reclaim))
    locals.withCurrent { local in
      if let newest = local.newest { newest.pointee.next = object } else { local.oldest = object }
      local.newest = object
      local.count += 1
    }
  }

  /// Reclaims up to `limit` objects that this CPU has retired, those whose time has come, and tries
  /// to move the epoch. After every operation that has retired something, and when idle; no lock held
  /// that is not below those which the objects' functions take. Not in interrupts.
  ///
  /// - Returns: How many objects of this CPU are still to be reclaimed.
  @discardableResult
  public borrowing func reclaim(atMost limit: Int = 4) -> Int {
    Processor.disablePreemption()
    defer { Processor.enablePreemption() }
    let local = locals.current
    // An object's function may retire others, and come back here.
    if local.pointee.count == 0 || local.pointee.isReclaiming { return local.pointee.count }
    local.pointee.isReclaiming = true
    tryAdvance()
    var left = limit
    while left > 0, let object = local.pointee.oldest, hasPassed(object.pointee.stamp) {
      local.pointee.oldest = object.pointee.next
      if local.pointee.oldest == nil { local.pointee.newest = nil }
      local.pointee.count -= 1
      left -= 1
      object.pointee.reclaim(UnsafeMutableRawPointer(object))
    }
    local.pointee.isReclaiming = false
    return local.pointee.count
  }

  /// Waits until every section that is open now is closed, and reclaims what this CPU has retired. With
  /// no lock held and outside of sections, checked builds trap otherwise. Not in interrupts.
  public borrowing func synchronize() {
    #if CHECKED
    HeldLocks.willWait()
    precondition(!isInside, "an epoch is awaited inside of a section")
    #endif
    let start = stamp()
    while !hasPassed(start) {
      if !tryAdvance() { SpinWait.turn() }
    }
    while reclaim(atMost: 64) > 0 { SpinWait.turn() }
  }

  /// Moves the epoch on if every open section has seen it. Bounded by the number of CPUs. Any context,
  /// but inside of a section it fails from the second time on.
  ///
  /// - Returns: Whether the epoch has moved, by this or another CPU.
  @discardableResult
  public borrowing func tryAdvance() -> Bool {
    let epoch = current.load(ordering: .acquiring)
    // Pairs with the fence in `read`: a section whose announcement is not seen here was opened after
    // what is retired was taken out.
    memoryFence(ordering: .sequentiallyConsistent)
    for cpu in CPUSet.online {
      // Acquire pairs with the release at the end of a section.
      let word = locals.pointer(for: cpu).pointee.announcement.load(ordering: .acquiring)
      if word != 0 && word != epoch << 1 | 1 { return false }
    }
    // Release: who reads the new epoch has all of the above behind it. If another CPU was faster, the
    // epoch has moved all the same.
    _ = current.compareExchange(
      expected: epoch, desired: epoch + 1, ordering: .acquiringAndReleasing)
    return true
  }
}

/// A section that is open on this CPU; `leave` has to be called, on the same CPU, and the latest section
/// first. Until then the thread is not preempted.
@frozen
public struct EpochSection: ~Copyable {
  @usableFromInline let local: UnsafeMutablePointer<Epoch.Local>
  @usableFromInline let isOutermost: Bool

  @inline(__always)
  @usableFromInline
  init(_ local: UnsafeMutablePointer<Epoch.Local>, isOutermost: Bool) {
    self.local = local
    self.isOutermost = isOutermost
  }

  /// Closes the section.
  @inline(__always)
  public consuming func leave() {
    // Release: what was read here was read before the object is reclaimed.
    if isOutermost { local.pointee.announcement.store(0, ordering: .releasing) }
    Processor.enablePreemption()
    discard self
  }

  deinit { Self.reportLoss() }

  @inline(never)
  private static func reportLoss() {
    fatalError("a section of an epoch goes out of scope without `leave`")
  }
}

/// The first words of an object that was retired: it may not be in any structure any more, but readers
/// may still look at the rest of it.
public struct RetiredObject {
  var next: UnsafeMutablePointer<RetiredObject>?
  let stamp: UInt64
  let reclaim: @convention(c) (UnsafeMutableRawPointer) -> Void

  init(
    stamp: UInt64, reclaim: @escaping @convention(c) (UnsafeMutableRawPointer) -> Void
  ) {
    self.stamp = stamp
    self.reclaim = reclaim
  }
}
