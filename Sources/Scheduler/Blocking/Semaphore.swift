import Machine

/// A number of permits that threads take and anybody gives.
///
/// In POSIX terms `sem_wait` and `sem_post`. Where nobody has to wait, either is one atomic operation.
public struct Semaphore: ~Copyable, Sendable {
  /// The permits that are free, less the threads that wait or are about to.
  private let balance: Atomic<Int>
  /// Permits that were given to threads on their way into the queue, with the threads that are in it.
  private let queue = WaitQueue<Int>(0)

  /// A semaphore with `permits`, at least 0.
  public init(_ permits: Int) {
    precondition(permits >= 0, "a semaphore has no fewer than no permits")
    balance = Atomic(permits)
  }

  /// Takes a permit, and waits for one if there is none: threads in the queue get them in the order in
  /// which they came. Not in interrupts.
  @inline(__always)
  public borrowing func wait() {
    Switch.checkMaySwitch()
    // Acquire pairs with the release in `signal`: what was done before the permit was given is seen.
    if balance.wrappingSubtract(1, ordering: .acquiring).oldValue > 0 { return }
    waitInTurn(until: .max)
  }

  /// `wait`, no longer than until `deadline` (nanoseconds of `MonotonicClock`); returns whether it took a
  /// permit. Not in interrupts.
  @inline(__always)
  public borrowing func wait(until deadline: UInt64) -> Bool {
    Switch.checkMaySwitch()
    if balance.wrappingSubtract(1, ordering: .acquiring).oldValue > 0 { return true }
    return waitInTurn(until: deadline)
  }

  /// Takes a permit if there is one; returns whether there was. Any context.
  public borrowing func tryWait() -> Bool {
    var seen = balance.load(ordering: .relaxed)
    while seen > 0 {
      let result = balance.compareExchange(
        expected: seen, desired: seen - 1, ordering: .acquiring)
      if result.exchanged { return true }
      seen = result.original
      Processor.pause()
    }
    return false
  }

  /// Gives a permit: to a thread, if one waits. Any context.
  @inline(__always)
  public borrowing func signal() {
    // Not preempted before the permit is handed over: see `giveUp`.
    Processor.disablePreemption()
    if balance.wrappingAdd(1, ordering: .releasing).oldValue >= 0 {
      Processor.enablePreemption()
    } else {
      handOver()
    }
  }

  /// `signal` in the handler of an interrupt: a thread that is woken and more urgent runs when the handler ends.
  @inline(__always)
  public borrowing func signal(from context: borrowing InterruptContext) {
    if balance.wrappingAdd(1, ordering: .releasing).oldValue >= 0 { return }
    context.withInterruptsDisabledProof { wakeFirst($0) }
  }

  /// A handler does not sleep.
  @available(*, unavailable, message: "an interrupt's handler may not sleep")
  public borrowing func wait(from context: borrowing InterruptContext) { wait() }

  @inline(never)
  @discardableResult
  private borrowing func waitInTurn(until deadline: UInt64) -> Bool {
    let isTaken = queue.waitInTurn(until: deadline, unless: Self.take)
    return isTaken || giveUp()
  }

  /// Lets the thread, whose time is over, count no more as one that waits; returns whether it has taken a
  /// permit after all.
  private borrowing func giveUp() -> Bool {
    while true {
      if queue.withState(Self.take) { return true }
      let seen = balance.load(ordering: .relaxed)
      if seen >= 0 {
        // Somebody counts on this thread for a permit and is about to hand it over, or a thread that came
        // later gets it and counts instead.
        Processor.pause()
      } else if balance.compareExchange(expected: seen, desired: seen + 1, ordering: .relaxed)
        .exchanged
      {
        return false
      }
    }
  }

  @inline(__always)
  private static func take(_ permits: inout Int) -> Bool {
    if permits == 0 { return false }
    permits &-= 1
    return true
  }

  @inline(never)
  private borrowing func handOver() {
    Processor.withInterruptsDisabled {
      // Where the thread that is woken is more urgent, it may run as soon as interrupts are on again.
      Processor.enablePreemption()
      queue.wakeFirst(if: Self.give)
    }
  }

  @inline(never)
  private borrowing func wakeFirst(_ proof: borrowing InterruptsDisabled) {
    queue.wakeFirst(if: Self.give)
  }

  @inline(__always)
  private static func give(_ permits: inout Int, _ someoneWaits: Bool) -> Bool {
    if !someoneWaits { permits += 1 }
    return someoneWaits
  }
}
