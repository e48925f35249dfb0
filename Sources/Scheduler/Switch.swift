import Locking
import Machine
import PerCPU
import Tracing

/// The change from one thread to another on a CPU: the lock of the run queue is taken by the one and given
/// back by the other, which also does what is left to do for the first.
enum Switch {
  /// What is to be done when a stack has been left.
  enum Afterwards: UInt8 {
    case nothing
    /// Idle CPUs may run the thread that waits now, and could not run the one that waited.
    case tellIdle
    /// The thread may no longer run here.
    case place
    case park
    case end
    /// The CPU was idle, see `Placement.passOn`.
    case passOn
  }

  /// Lets the threads go first that wait for this CPU and are as urgent as the running one.
  @inline(__always)
  static func yield() {
    Processor.withInterruptsDisabledProof { proof in
      let own = Scheduler.queues.current
      checkMaySwitch()
      let thread = Scheduler.currentRecord
      let waiting = own.pointee.waiting.acquire(proof)
      let affinity = thread.pointee.affinity.load(ordering: .relaxed)
      if affinity & own.pointee.bit == 0 { return leave(own, .place, proof) }
      // Their number stays the same, so the count does, and its line with it.
      guard let next = waiting.pointee.exchangeFirst(for: thread) else {
        own.pointee.waiting.release(proof)
        return
      }
      thread.pointee.place.store(Place.waits(on: own.pointee.cpu), ordering: .relaxed)
      // Where both may run on the same CPUs, an idle one that could have the thread is on its way for
      // the one that waited before.
      if affinity != next.pointee.affinity.load(ordering: .relaxed) {
        own.pointee.afterwards = .tellIdle
        own.pointee.affinityOfLeft = affinity
      }
      resume(next, leaving: thread, own, proof)
    }
  }

  /// Leaves the running thread, which is in no queue, for the next one or the idle loop. The lock of the
  /// run queue is held.
  @inline(never)
  static func leave(
    _ own: UnsafeMutablePointer<RunQueue>, _ afterwards: Afterwards,
    _ proof: borrowing InterruptsDisabled
  ) {
    let next = takeNext(own, own.pointee.waiting.holderState(proof))
    own.pointee.afterwards = afterwards
    resume(next, leaving: Scheduler.currentRecord, own, proof)
  }

  /// The next thread, out of the queue, or the idle loop. The lock of the run queue is held.
  @inline(__always)
  static func takeNext(
    _ own: UnsafeMutablePointer<RunQueue>, _ waiting: UnsafeMutablePointer<WaitingThreads>
  ) -> UnsafeMutablePointer<ThreadRecord> {
    guard let first = waiting.pointee.takeFirst() else { return own.pointee.idle }
    let count = own.pointee.waitingCount.load(ordering: .relaxed)
    own.pointee.waitingCount.store(count &- 1, ordering: .relaxed)
    return first
  }

  /// Goes on with `next`, which is in no queue. The lock of the run queue is held. Returns when `thread`
  /// runs again, on whichever CPU. `isPreempted` is a constant.
  @inline(__always)
  static func resume(
    _ next: UnsafeMutablePointer<ThreadRecord>, leaving thread: UnsafeMutablePointer<ThreadRecord>,
    _ own: UnsafeMutablePointer<RunQueue>, _ proof: borrowing InterruptsDisabled,
    isPreempted: Bool = false
  ) {
    next.pointee.place.store(Place.runs(on: own.pointee.cpu), ordering: .relaxed)
    own.pointee.left = thread
    own.pointee.running.store(RunQueue.word(next), ordering: .relaxed)
    Processor.setThread(next)
    if own.pointee.isObserved { Accounting.willSwitch(to: next, from: thread, own) }
    own.pointee.switches &+= 1
    // Whoever was asked to give way does so.
    Processor.preemptionRequest = 0
    if isPreempted {
      next.pointee.header.stack.resume(preempting: stackPointer(of: thread))
    } else {
      next.pointee.header.stack.resume(leaving: stackPointer(of: thread))
    }
    finish(proof)
  }

  /// The first thing that a thread does when it runs again, and when it starts.
  @inline(__always)
  static func finish(_ proof: borrowing InterruptsDisabled) {
    let own = Scheduler.queues.current
    own.pointee.waiting.release(proof)
    if own.pointee.afterwards != .nothing { finishRest(own) }
  }

  @inline(never)
  private static func finishRest(_ own: UnsafeMutablePointer<RunQueue>) {
    let left = own.pointee.left
    let afterwards = own.pointee.afterwards
    own.pointee.afterwards = .nothing
    switch afterwards {
    case .nothing: break
    case .tellIdle: Placement.tellIdle(own.pointee.affinityOfLeft)
    case .place: Placement.put(left)
    case .park: Parking.finish(left)
    case .end: Ending.finish(left, own)
    case .passOn: Placement.passOn()
    }
  }

  @inline(__always)
  private static func stackPointer(
    of thread: UnsafeMutablePointer<ThreadRecord>
  ) -> UnsafeMutablePointer<SuspendedStack> {
    // The first field of the record.
    UnsafeMutableRawPointer(thread).assumingMemoryBound(to: SuspendedStack.self)
  }

  /// Checked builds end where a thread gives way that may not.
  @inline(__always)
  static func checkMaySwitch() {
    #if CHECKED
    precondition(Processor.preemptionCount == 0, "a thread gives way with preemption disabled")
    precondition(!Processor.isInInterrupt, "a thread gives way in an interrupt")
    #endif
  }
}

extension Thread {
  /// Lets the threads go first that wait for this CPU and are as urgent as the running one; returns at
  /// once if there is none. A thread whose affinity no longer has this CPU leaves it.
  @inline(__always)
  public static func yield() { Switch.yield() }
}
