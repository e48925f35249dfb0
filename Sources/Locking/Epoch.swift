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
  struct Local: ~Copyable {
    /// The epoch that the open section has seen, doubled, plus 1; 0 without one. Read by all CPUs.
    let announcement = Atomic<UInt64>(0)
    /// What this CPU has retired, oldest first. Its own.
    var oldest: UnsafeMutablePointer<RetiredObject>?
    var newest: UnsafeMutablePointer<RetiredObject>?
    var count = 0
    var isReclaiming = false
  }

  private let current = Atomic<UInt64>(1)
  private let locals = CPULocal<Local>()

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
  /// have theirs at any time. Any context. Two loads, a fenced store, a store.
  @inline(__always)
  public borrowing func read<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    Processor.disablePreemption()
    let announcement = locals.pointer(for: .current)
    // A handler that comes in between leaves the word as it found it.
    let isOutermost = announcement.pointee.announcement.load(ordering: .relaxed) == 0
    if isOutermost {
      announcement.pointee.announcement.store(
        current.load(ordering: .relaxed) << 1 | 1, ordering: .relaxed)
      // The announcement is seen before anything is read: pairs with the fence in `tryAdvance`.
      memoryFence(ordering: .sequentiallyConsistent)
    }
    defer {
      // Release: what was read here was read before the object is reclaimed.
      if isOutermost { announcement.pointee.announcement.store(0, ordering: .releasing) }
      Processor.enablePreemption()
    }
    return try body()
  }

  /// Hands over an object that no structure leads to any more, to be reclaimed in time. It is noted
  /// only: locks may be held. Not in interrupts.
  public borrowing func retire(
    _ object: UnsafeMutablePointer<RetiredObject>,
    _ reclaim: @escaping @convention(c) (UnsafeMutableRawPointer) -> Void
  ) {
    // The object was taken out before the epoch is read: a section that opens later, and can have
    // an announcement above this stamp, does not find it.
    memoryFence(ordering: .sequentiallyConsistent)
    object.initialize(
      to: RetiredObject(stamp: current.load(ordering: .relaxed), reclaim: reclaim))
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
    // Acquire pairs with the release in `tryAdvance`: all sections of older epochs are closed.
    let epoch = current.load(ordering: .acquiring)
    var left = limit
    while left > 0, let object = local.pointee.oldest, object.pointee.stamp + 2 <= epoch {
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
    precondition(
      locals.pointer(for: .current).pointee.announcement.load(ordering: .relaxed) == 0,
      "an epoch is awaited inside of a section")
    #endif
    memoryFence(ordering: .sequentiallyConsistent)
    let end = current.load(ordering: .relaxed) + 2
    while current.load(ordering: .acquiring) < end {
      if !tryAdvance() { SpinWait.turn() }
    }
    while reclaim(atMost: 64) > 0 { SpinWait.turn() }
  }

  /// For objects that have no room for `RetiredObject`: the epoch in which one was retired that no
  /// structure leads to any more. A full fence.
  public borrowing func stamp() -> UInt64 {
    memoryFence(ordering: .sequentiallyConsistent)
    return current.load(ordering: .relaxed)
  }

  /// Whether all sections are closed that may have found an object with this stamp.
  public borrowing func hasPassed(_ stamp: UInt64) -> Bool {
    // Acquire pairs with the release in `tryAdvance`.
    stamp + 2 <= current.load(ordering: .acquiring)
  }

  /// Moves the epoch on if every open section has seen it. Bounded by the number of CPUs.
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
