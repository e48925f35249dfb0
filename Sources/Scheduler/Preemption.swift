import CMachine
import Locking
import Machine
import PerCPU

/// Taking a CPU from a thread that does not give way by itself: at the end of an interrupt, and where the
/// thread has not disabled it. Modelled in `Models/Preemption.pml`.
///
/// While a thread runs and others wait for its CPU, the CPU's timer is set for the end of a slice, or an
/// interrupt is on its way there that has it set (`RunQueue.isSliced`). A CPU without threads that wait has no tick.
enum Preemption {
  /// Why a thread is to give way; the values of `Processor.preemptionRequest`.
  enum Reason: UInt64 {
    /// A more urgent one waits.
    case urgency = 1
    /// Its slice is over.
    case slice
    /// Less urgent ones wait for too long.
    case starvation
  }

  /// What a CPU that runs a thread has to be told of one that waits there from now on.
  enum Notice {
    case nothing
    /// To set its timer for a slice.
    case slice
    /// To run it.
    case urgency
  }

  private static let isOff = BootConstant<UInt64>(0)

  /// Lets threads run until they give way by themselves. On the boot CPU, before there are any.
  static func turnOff() { isOff.set(1) }
  static var isOn: Bool { isOff.value == 0 }

  /// Nanoseconds that a thread has before others of its priority get the CPU. After one slice at least and
  /// two at most it gives way.
  @inline(__always)
  private static func slice(_ priority: Int) -> UInt64 {
    if priority >= Int(Thread.Priority.urgent.rawValue) { return 2_000_000 }
    return priority >= Int(Thread.Priority.normal.rawValue) ? 5_000_000 : 20_000_000
  }

  /// So many slices in a row go to more urgent threads before a less urgent one gets one.
  private static let starvationLimit: UInt8 = 16
  /// Nanoseconds until a thread is asked again that had preemption disabled.
  private static let retry: UInt64 = 50_000

  /// What a busy CPU is to be told of a thread that was put in its queue. The queue's lock is held, so the
  /// thread that runs there stays.
  @inline(__always)
  static func notice(
    of thread: UnsafeMutablePointer<ThreadRecord>, in queue: UnsafeMutablePointer<RunQueue>
  ) -> Notice {
    if isOff.value != 0 { return .nothing }
    let running = UnsafeMutablePointer<ThreadRecord>(
      bitPattern: UInt(queue.pointee.running.load(ordering: .relaxed)))
    if let running, thread.pointee.priority > queue.pointee.preemptionLimit(of: running) {
      return .urgency
    }
    if queue.pointee.isSliced { return .nothing }
    queue.pointee.isSliced = true
    return .slice
  }

  /// The same of all that wait there, after the priority of the one that runs has changed.
  static func noticeOfWaiting(
    _ waiting: UnsafeMutablePointer<WaitingThreads>, in queue: UnsafeMutablePointer<RunQueue>
  ) -> Notice {
    let running = UnsafeMutablePointer<ThreadRecord>(
      bitPattern: UInt(queue.pointee.running.load(ordering: .relaxed)))
    guard let running, isOff.value == 0 else { return .nothing }
    let limit = queue.pointee.preemptionLimit(of: running)
    return waiting.pointee.highestPriority > limit ? .urgency : .nothing
  }

  /// Tells a CPU what `notice` has found. Interrupts are off and no run queue's lock is held.
  @inline(never)
  static func tell(_ cpu: CPU, _ notice: Notice) {
    if cpu != .current || (notice == .urgency && !Processor.isInInterrupt) {
      return Placement.wake(cpu)
    }
    if notice == .urgency {
      Processor.preemptionRequest = Reason.urgency.rawValue
    } else {
      startSlice(Scheduler.currentRecord)
    }
  }

  /// By a CPU that was idle and runs a thread now: sets its timer if others wait there; what it was told while it
  /// was idle is over. The queue's lock is held.
  @inline(__always)
  static func willRun(
    _ thread: UnsafeMutablePointer<ThreadRecord>, _ own: UnsafeMutablePointer<RunQueue>
  ) {
    slice(thread, own, someoneWaits: own.pointee.waitingCount.load(ordering: .relaxed) != 0)
  }

  /// Sets the timer for a slice of the running thread if somebody waits and it is not set. The queue's lock is
  /// held.
  @inline(__always)
  private static func slice(
    _ thread: UnsafeMutablePointer<ThreadRecord>, _ own: UnsafeMutablePointer<RunQueue>,
    someoneWaits: Bool
  ) {
    let isSet = Timers.queues.current.pointee.sliceEnd != .max
    if someoneWaits && !isSet && isOff.value == 0 { startSlice(thread) }
    own.pointee.isSliced = someoneWaits || isSet
  }

  private static func startSlice(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    let own = Timers.queues.current
    own.pointee.sliceEnd = MonotonicClock.nanoseconds &+ slice(thread.pointee.basePriority)
    Timers.arm(own, at: own.pointee.sliceEnd)
  }

  /// In the timer's interrupt, when a slice is over.
  @inline(never)
  static func endSlice(_ timers: UnsafeMutablePointer<TimerQueue>, at now: UInt64) {
    InterruptsDisabled.assumed { proof in
      let own = Scheduler.queues.current
      let waiting = own.pointee.waiting.acquire(proof)
      let thread = Scheduler.currentRecord
      if own.pointee.isIdle || waiting.pointee.isEmpty {
        own.pointee.isSliced = false
        own.pointee.slicesOfMoreUrgent = 0
        timers.pointee.sliceEnd = .max
      } else {
        let priority = thread.pointee.priority
        timers.pointee.sliceEnd = now &+ slice(priority)
        Accounting.lookForIdle(own, waiting)
        if waiting.pointee.lowestPriority >= priority {
          own.pointee.slicesOfMoreUrgent = 0
        } else if own.pointee.slicesOfMoreUrgent < starvationLimit {
          own.pointee.slicesOfMoreUrgent += 1
        }
        // Whoever has had the CPU for all of this slice has had one; who starved began with it.
        let isThrough =
          own.pointee.switchesAtSlice == own.pointee.switches || own.pointee.isRelieved
        if own.pointee.slicesOfMoreUrgent >= starvationLimit {
          Processor.preemptionRequest = Reason.starvation.rawValue
        } else if isThrough && waiting.pointee.highestPriority >= priority {
          Processor.preemptionRequest = Reason.slice.rawValue
        }
        own.pointee.switchesAtSlice = own.pointee.switches
      }
      own.pointee.waiting.release(proof)
    }
  }

  /// In the interrupt by which others tell this CPU to look.
  @inline(never)
  static func look() {
    InterruptsDisabled.assumed { proof in
      let own = Scheduler.queues.current
      // An idle CPU looks anyway when its halt is over.
      if own.pointee.isIdle { return }
      let waiting = own.pointee.waiting.acquire(proof)
      let thread = Scheduler.currentRecord
      let isMoved = thread.pointee.affinity.load(ordering: .relaxed) & own.pointee.bit == 0
      let hasMoreUrgent =
        waiting.pointee.highestPriority > own.pointee.preemptionLimit(of: thread)
      if isMoved || hasMoreUrgent && isOff.value == 0 {
        Processor.preemptionRequest = Reason.urgency.rawValue
      }
      slice(thread, own, someoneWaits: !waiting.pointee.isEmpty)
      own.pointee.waiting.release(proof)
    }
  }

  /// Whether the thread that was interrupted gives way now. At the end of an interrupt, if it is asked to.
  @inline(never)
  static func isDue() -> Bool {
    if Scheduler.queues.current.pointee.isIdle {
      Processor.preemptionRequest = 0
      return false
    }
    if Processor.preemptionCount == 0 { return true }
    // It will be asked again soon.
    let timers = Timers.queues.current
    let again = MonotonicClock.nanoseconds &+ retry
    if again < timers.pointee.sliceEnd {
      timers.pointee.sliceEnd = again
      Timers.arm(timers, at: again)
    }
    return false
  }

  /// Gives the CPU of the running thread, which was interrupted, to another one. With interrupts off; returns
  /// when the thread runs again, on whichever CPU.
  @inline(__always)
  static func giveWay() {
    InterruptsDisabled.assumed { proof in
      let own = Scheduler.queues.current
      let reason = Reason(rawValue: Processor.preemptionRequest)
      let thread = Scheduler.currentRecord
      let waiting = own.pointee.waiting.acquire(proof)
      let affinity = thread.pointee.affinity.load(ordering: .relaxed)
      let next: UnsafeMutablePointer<ThreadRecord>
      if affinity & own.pointee.bit == 0 {
        next = Switch.takeNext(own, waiting)
        own.pointee.afterwards = .place
      } else {
        let other =
          switch reason {
          case .slice: waiting.pointee.exchangeFirst(for: thread)
          case .starvation: relieve(for: thread, own, waiting)
          default:
            waiting.pointee.exchangeMoreUrgent(
              for: thread, above: own.pointee.preemptionLimit(of: thread))
          }
        guard let other else {
          Processor.preemptionRequest = 0
          own.pointee.waiting.release(proof)
          return
        }
        next = other
        thread.pointee.place.store(Place.waits(on: own.pointee.cpu), ordering: .relaxed)
        // As in a yield.
        if affinity != next.pointee.affinity.load(ordering: .relaxed) {
          own.pointee.afterwards = .tellIdle
          own.pointee.affinityOfLeft = affinity
        }
      }
      own.pointee.preemptions &+= 1
      Switch.resume(next, leaving: thread, own, proof, isPreempted: true)
    }
  }
}

extension Preemption {
  /// Lets a less urgent thread have a slice, in which those that are as urgent as the running one let it be.
  @inline(never)
  private static func relieve(
    for thread: UnsafeMutablePointer<ThreadRecord>, _ own: UnsafeMutablePointer<RunQueue>,
    _ waiting: UnsafeMutablePointer<WaitingThreads>
  ) -> UnsafeMutablePointer<ThreadRecord>? {
    own.pointee.slicesOfMoreUrgent = 0
    let next = waiting.pointee.exchangeLessUrgent(
      for: thread, after: Int(own.pointee.lastRelieved))
    guard let next else { return nil }
    own.pointee.lastRelieved = UInt8(truncatingIfNeeded: next.pointee.priority)
    own.pointee.reliefLimit = UInt8(truncatingIfNeeded: thread.pointee.priority)
    // Until the next switch but one.
    own.pointee.reliefSwitch = own.pointee.switches &+ 1
    return next
  }
}

extension Scheduler {
  /// Lets threads run until they wait, end or yield. On the boot CPU, before there are any.
  public static func makeCooperative() { Preemption.turnOff() }

  /// Whether a CPU is taken from threads that do not give way by themselves; not with `apus run --cooperative`.
  public static var isPreemptive: Bool { Preemption.isOn }
}

/// The interrupt by which a CPU is told that there is something to look for.
@c(apus_handle_wake)
public func handleWake() {
  if Scheduler.queues.isInitialized { Preemption.look() }
}

/// At the end of an interrupt: whether the thread is to give way, as somebody has asked it to.
@c(apus_preemption_is_due)
public func preemptionIsDue() -> Bool { Preemption.isDue() }

/// After an interrupt, on the stack of the thread that was interrupted, with interrupts off: lets another
/// thread run.
@c(apus_preempt)
public func preempt() {
  // It was interrupted anywhere, so its vector registers are in use.
  Processor.preservingVectorState { Preemption.giveWay() }
}
