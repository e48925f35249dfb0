import Locking
import Machine
import PerCPU

/// The owner of a mutex is as urgent as the most urgent thread that waits for it, so that no thread in between
/// keeps both waiting. Modelled in `Models/PriorityInheritance.pml`.
///
/// What a thread inherits is a number of loans for each priority, in one word: a mutex lends its owner one
/// priority at most, and whoever holds the lock of its queue changes that. An owner that waits for a mutex
/// itself is one of those whose priorities that mutex lends, and so on.
enum PriorityInheritance {
  /// The priority that a thread has, from its own and what it inherits.
  static func priority(of thread: UnsafeMutablePointer<ThreadRecord>) -> Int {
    priority(of: thread, inheriting: thread.pointee.inherited.load(ordering: .relaxed))
  }

  private static func priority(
    of thread: UnsafeMutablePointer<ThreadRecord>, inheriting loans: UInt64
  ) -> Int {
    Swift.max(thread.pointee.basePriority, (63 &- loans.leadingZeroBitCount) &>> 3)
  }

  /// Whether a thread is scheduled by what it inherits now. The lock of its run queue is held.
  @inline(__always)
  static func isApplied(to thread: UnsafeMutablePointer<ThreadRecord>) -> Bool {
    thread.pointee.inherited.load(ordering: .relaxed) == thread.pointee.appliedLoans
  }

  /// Lets a thread, which is in no queue, be scheduled by what it inherits now. The lock of its run queue is held.
  @inline(never)
  static func setPriority(of thread: UnsafeMutablePointer<ThreadRecord>) {
    let loans = thread.pointee.inherited.load(ordering: .relaxed)
    thread.pointee.appliedLoans = loans
    thread.pointee.priority = priority(of: thread, inheriting: loans)
  }

  /// Lends a priority, or takes it back with `isGiven` false. The lock of the mutex's queue is held; `apply` is
  /// called afterwards. Returns whether it was lent: a thread that has 255 loans of a priority already gets on
  /// without.
  static func lend(
    _ priority: UInt8, to thread: UnsafeMutablePointer<ThreadRecord>, isGiven: Bool = true
  ) -> Bool {
    let shift = UInt64(priority) &* 8
    let one = UInt64(1) &<< shift
    if !isGiven {
      thread.pointee.inherited.wrappingSubtract(one, ordering: .relaxed)
      return true
    }
    var seen = thread.pointee.inherited.load(ordering: .relaxed)
    while true {
      if seen &>> shift & 0xFF == 0xFF { return false }
      let result = thread.pointee.inherited.compareExchange(
        expected: seen, desired: seen &+ one, ordering: .relaxed)
      if result.exchanged { return true }
      seen = result.original
      Processor.pause()
    }
  }

  /// Schedules a thread by what it inherits now. Interrupts are off, no run queue's lock is held, and the thread
  /// stays: it runs here, or owns a mutex whose queue's lock is held and which is marked.
  @inline(never)
  static func apply(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    // Loans before place: whoever places the thread looks at the loans after that, so one of the two sees the
    // other. Pairs with the fences in `Placement.enqueue` and `Scheduler.run`.
    memoryFence(ordering: .sequentiallyConsistent)
    while true {
      let cpu = Place.cpu(of: thread.pointee.place.load(ordering: .relaxed))
      let notice = InterruptsDisabled.assumed { proof in apply(thread, on: cpu, proof) }
      if let notice {
        if notice != .nothing { Preemption.tell(cpu, notice) }
        return
      }
      Processor.pause()
    }
  }

  /// Returns `nil` if the thread is not there any more.
  private static func apply(
    _ thread: UnsafeMutablePointer<ThreadRecord>, on cpu: CPU, _ proof: borrowing InterruptsDisabled
  ) -> Preemption.Notice? {
    let queue = Scheduler.queues.pointer(for: cpu)
    let waiting = queue.pointee.waiting.acquire(proof)
    defer { queue.pointee.waiting.release(proof) }
    let place = thread.pointee.place.load(ordering: .relaxed)
    if Place.cpu(of: place) != cpu { return nil }
    if isApplied(to: thread) { return .nothing }
    if place == Place.waits(on: cpu.index) {
      waiting.pointee.remove(thread)
      setPriority(of: thread)
      waiting.pointee.append(thread)
      return queue.pointee.isIdle ? .nothing : Preemption.notice(of: thread, in: queue)
    }
    // If it parks or is being placed, whoever places it looks at what it inherits.
    if queue.pointee.running.load(ordering: .relaxed) != RunQueue.word(thread) { return .nothing }
    setPriority(of: thread)
    return Preemption.noticeOfWaiting(waiting, in: queue)
  }

  // What follows an owner that waits for a mutex itself, from the one to the other. It is marked as visited
  // while the first one's queue is locked, so it does not go on: and the mutex for which it waits stays.

  /// Says that the running thread queues for a mutex; the queue's lock is held. Returns its priority.
  @inline(__always)
  static func willWait(
    _ thread: UnsafeMutablePointer<ThreadRecord>, for mutex: UnsafePointer<MutexCore>
  ) -> Int {
    thread.pointee.waitsFor.store(UInt64(UInt(bitPattern: mutex)), ordering: .relaxed)
    // Pairs with the fence in `visit`: the visitor finds the mutex, or the loan is seen here.
    memoryFence(ordering: .sequentiallyConsistent)
    return priority(of: thread)
  }

  /// Says that the running thread waits no more. Returns when nobody visits it.
  @inline(__always)
  static func hasWaited(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    thread.pointee.waitsFor.store(0, ordering: .relaxed)
    // Pairs with the fence in `visit`: the visitor sees that it has come too late, or is seen here.
    memoryFence(ordering: .sequentiallyConsistent)
    // Acquire: the mutex may go after the last visit. A visitor is not preempted.
    while thread.pointee.visitors.load(ordering: .acquiring) != 0 { SpinWait.turn() }
  }

  /// Marks a thread, whose loans have changed, as visited if it waits for a mutex. The thread owns a marked
  /// mutex whose queue's lock is held. If it returns true, `follow` must be called, with preemption disabled
  /// since before this lock was given back.
  static func visit(_ thread: UnsafeMutablePointer<ThreadRecord>) -> Bool {
    thread.pointee.visitors.wrappingAdd(1, ordering: .relaxed)
    memoryFence(ordering: .sequentiallyConsistent)
    if thread.pointee.waitsFor.load(ordering: .relaxed) != 0 { return true }
    leave(thread)
    return false
  }

  /// Lets the mutex for which a visited thread waits lend by the thread's priority as it is now, and so on.
  /// Preemption is disabled, and enabled once when this returns.
  @inline(never)
  static func follow(_ visited: UnsafeMutablePointer<ThreadRecord>) {
    var visited: UnsafeMutablePointer<ThreadRecord>? = visited
    while let thread = visited {
      let mutex = UnsafePointer<MutexCore>(
        bitPattern: UInt(thread.pointee.waitsFor.load(ordering: .relaxed)))
      visited = mutex?.pointee.reconsider(thread)
      leave(thread)
    }
    Processor.enablePreemption()
  }

  /// The thread may go on, and be gone.
  @inline(__always)
  private static func leave(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    thread.pointee.visitors.wrappingSubtract(1, ordering: .releasing)
  }
}

/// The threads in a mutex's queue by priority, and what the mutex lends. Guarded by the queue's lock.
struct MutexWaiters {
  private var counts: InlineArray<8, UInt32> = .init(repeating: 0)
  /// What is lent to the owner; 0 for nothing. Not nothing only where the mutex is marked.
  var lent: UInt8 = 0

  mutating func add(_ priority: Int) { counts[unchecked: priority] &+= 1 }
  mutating func remove(_ priority: Int) { counts[unchecked: priority] &-= 1 }

  var isEmpty: Bool {
    for priority in 0..<8 where counts[unchecked: priority] != 0 { return false }
    return true
  }

  /// The priority of the most urgent one; 0 without any.
  var highestPriority: Int {
    var priority = 7
    while priority > 0 && counts[unchecked: priority] == 0 { priority &-= 1 }
    return priority
  }
}
