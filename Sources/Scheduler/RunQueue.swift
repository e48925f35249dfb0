import Locking
import Machine
import PerCPU

/// The threads that wait for one CPU, and the one that it runs.
///
/// Its lock is held across a switch: the thread that leaves takes it, the one that goes on gives it back.
/// So whoever finds a thread in a queue, with the lock, finds it off its stack. Modelled, with `Placement`
/// and `Idle`, in `Models/RunQueue.pml`.
@usableFromInline
struct RunQueue: ~Copyable {
  enum QueueLock: LockClass {
    typealias Context = InterruptSafe
    typealias Level = RunQueueLevel
    static var name: StaticString { "run queue" }
  }

  let waiting = SpinLock<QueueLock, WaitingThreads>(WaitingThreads())
  /// How many wait. Written with the lock held, read without it by CPUs that look for work; a yield
  /// leaves it as it is.
  let waitingCount = Atomic<Int>(0)

  /// The address of the thread that runs here, or of the idle loop's record. Written with the lock held;
  /// whoever reads it without may only compare it, for the thread may be gone.
  let running: Atomic<UInt64>

  // Written by this CPU with the lock held, so its own threads may read them without.
  /// The thread that was left last, until `Switch.finish`, and what that still has to do.
  var left: UnsafeMutablePointer<ThreadRecord>
  var afterwards = Switch.Afterwards.nothing
  /// The affinity of the thread that was left last: it may be gone by then.
  var affinityOfLeft: UInt64 = 0
  /// Threads that ended here with nobody to join them, linked by `next`. With interrupts off.
  var ended: UnsafeMutablePointer<ThreadRecord>?

  /// How often a thread was resumed here, and preempted.
  var switches: UInt64 = 0
  var preemptions: UInt64 = 0
  /// See `CPUStatistics`.
  var pulls: UInt64 = 0
  var wakeInterrupts: UInt64 = 0
  var idleWhileRunnable: UInt64 = 0
  /// Nanoseconds for which it ran threads, and when it went on with the present one.
  var busyTime: UInt64 = 0
  var since: UInt64 = 0
  /// CPUs that were idle when the last slice ended, see `Accounting.lookForIdle`.
  var idleAtSlice: UInt64 = 0
  /// See `Preemption.endSlice`: the switches when the last slice ended, and slices that ended in a row while
  /// less urgent threads waited.
  var switchesAtSlice: UInt64 = 0
  /// `switches` as it is while the running thread has a slice because it starved.
  var reliefSwitch = UInt64.max
  var slicesOfMoreUrgent: UInt8 = 0

  // Guarded by the lock.
  /// The CPU's timer is set for the end of a slice, or somebody tells it to do that.
  var isSliced = false
  /// See `Preemption`: the priority of the thread that gave way for one that starved, and the one that had such
  /// a slice last.
  var reliefLimit: UInt8 = 0
  var lastRelieved: UInt8 = 0

  // Constant.
  /// Whether switches are traced and times counted. Set before other CPUs run.
  var isObserved = false
  let idle: UnsafeMutablePointer<ThreadRecord>
  let cpu: Int
  /// The CPU as a set.
  let bit: UInt64

  init(cpu: Int, idle: UnsafeMutablePointer<ThreadRecord>) {
    self.cpu = cpu
    bit = 1 << UInt64(cpu)
    self.idle = idle
    running = Atomic(RunQueue.word(idle))
    left = idle
  }

  /// Whether it runs its idle loop.
  @inline(__always)
  var isIdle: Bool { running.load(ordering: .relaxed) == Self.word(idle) }

  /// Whether the running thread has a slice because it starved. The lock is held.
  @inline(__always)
  var isRelieved: Bool { switches == reliefSwitch }

  /// What a thread that waits must be above of to be run at once instead of `running`. The lock is held.
  @inline(__always)
  func preemptionLimit(of running: UnsafeMutablePointer<ThreadRecord>) -> Int {
    let priority = running.pointee.priority
    return isRelieved ? Swift.max(Int(reliefLimit), priority) : priority
  }

  /// A thread as `running` has it.
  @inline(__always)
  static func word(_ thread: UnsafeMutablePointer<ThreadRecord>) -> UInt64 {
    UInt64(UInt(bitPattern: thread))
  }
}

/// Threads by priority, and in the order in which they came. Whoever uses it holds the lock around it.
struct WaitingThreads: ~Copyable {
  static let priorityCount = 8

  /// The first thread of each priority, linked in a ring.
  private var first: InlineArray<8, UnsafeMutablePointer<ThreadRecord>?> = .init(repeating: nil)
  /// A bit for each priority of which threads wait.
  private var priorities: UInt64 = 0

  @inline(__always)
  var isEmpty: Bool { priorities == 0 }

  /// The priority of the most urgent thread; -1 without any.
  @inline(__always)
  var highestPriority: Int { 63 &- priorities.leadingZeroBitCount }

  /// The priority of the least urgent thread; 64 without any.
  @inline(__always)
  var lowestPriority: Int { priorities.trailingZeroBitCount }

  /// Puts a thread behind all others of its priority.
  @inline(__always)
  mutating func append(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    let priority = thread.pointee.priority
    let bit = UInt64(1) &<< UInt64(truncatingIfNeeded: priority)
    if let first = first[unchecked: priority] {
      let last = first.pointee.previous
      thread.pointee.next = first
      thread.pointee.previous = last
      last?.pointee.next = thread
      first.pointee.previous = thread
    } else {
      thread.pointee.next = thread
      thread.pointee.previous = thread
      first[unchecked: priority] = thread
      priorities |= bit
    }
  }

  /// Takes out the first thread of the highest priority.
  @inline(__always)
  mutating func takeFirst() -> UnsafeMutablePointer<ThreadRecord>? {
    let priority = 63 &- priorities.leadingZeroBitCount
    guard priority >= 0, let thread = first[unchecked: priority] else { return nil }
    remove(thread)
    return thread
  }

  /// Takes out the first thread of the highest priority, if it is as urgent as `thread` or more, and
  /// puts that one in.
  @inline(__always)
  mutating func exchangeFirst(
    for thread: UnsafeMutablePointer<ThreadRecord>
  ) -> UnsafeMutablePointer<ThreadRecord>? {
    let priority = thread.pointee.priority
    let asUrgent = priorities &>> UInt64(truncatingIfNeeded: priority)
    if asUrgent == 0 { return nil }
    guard asUrgent == 1, let next = first[unchecked: priority] else {
      return exchangeMoreUrgent(for: thread)
    }
    // In the ring the last place is the one before the first: so it takes the place of the first, and the
    // second becomes the first.
    let second = next.pointee.next
    if second == next {
      thread.pointee.next = thread
      thread.pointee.previous = thread
      first[unchecked: priority] = thread
    } else {
      let last = next.pointee.previous
      thread.pointee.next = second
      thread.pointee.previous = last
      second?.pointee.previous = thread
      last?.pointee.next = thread
      first[unchecked: priority] = second
    }
    return next
  }

  @inline(never)
  private mutating func exchangeMoreUrgent(
    for thread: UnsafeMutablePointer<ThreadRecord>
  ) -> UnsafeMutablePointer<ThreadRecord>? {
    let next = takeFirst()
    append(thread)
    return next
  }

  /// Takes out the first thread of the highest priority, if that is above `limit`, the priority of `thread`
  /// or a higher one, and puts `thread` in before all others of its priority: its turn is not over.
  @inline(__always)
  mutating func exchangeMoreUrgent(
    for thread: UnsafeMutablePointer<ThreadRecord>, above limit: Int
  ) -> UnsafeMutablePointer<ThreadRecord>? {
    if highestPriority <= limit { return nil }
    let priority = thread.pointee.priority
    let next = takeFirst()
    append(thread)
    // The last one of a ring is before its first one.
    first[unchecked: priority] = thread
    return next
  }

  /// Takes out the first thread of a priority below that of `thread`, if there is any, and puts that one in.
  /// Priorities have their turns from the most urgent to the least, `last` being the one that had it last.
  @inline(__always)
  mutating func exchangeLessUrgent(
    for thread: UnsafeMutablePointer<ThreadRecord>, after last: Int
  ) -> UnsafeMutablePointer<ThreadRecord>? {
    let less = priorities & Self.below(thread.pointee.priority)
    if less == 0 { return nil }
    let rest = less & Self.below(last)
    let turn = 63 &- (rest == 0 ? less : rest).leadingZeroBitCount
    guard let next = first[unchecked: turn] else { return nil }
    remove(next)
    append(thread)
    return next
  }

  /// A bit for each priority below one.
  @inline(__always)
  private static func below(_ priority: Int) -> UInt64 {
    UInt64(1) &<< UInt64(truncatingIfNeeded: priority) &- 1
  }

  /// Takes out a thread that is in.
  @inline(__always)
  mutating func remove(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    let priority = thread.pointee.priority
    let next = thread.pointee.next
    if next == thread {
      first[unchecked: priority] = nil
      priorities &= ~(UInt64(1) &<< UInt64(truncatingIfNeeded: priority))
      return
    }
    let previous = thread.pointee.previous
    next?.pointee.previous = previous
    previous?.pointee.next = next
    if first[unchecked: priority] == thread { first[unchecked: priority] = next }
  }

  /// Calls `body` for each thread, the most urgent first, until it returns false.
  func visit(_ body: (UnsafeMutablePointer<ThreadRecord>) -> Bool) {
    var rest = priorities
    while rest != 0 {
      let priority = 63 &- rest.leadingZeroBitCount
      rest &= ~(UInt64(1) &<< UInt64(truncatingIfNeeded: priority))
      guard let first = first[unchecked: priority] else { continue }
      var thread = first
      repeat {
        guard body(thread), let next = thread.pointee.next else { return }
        thread = next
      } while thread != first
    }
  }
}
