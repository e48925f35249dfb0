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
    _ = waitInTurn(until: .max)
  }

  /// The same, until `deadline` at the latest, in nanoseconds of `MonotonicClock`; returns false if that
  /// passed first.
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
    if balance.wrappingAdd(1, ordering: .releasing).oldValue >= 0 { return }
    handOver()
  }

  @inline(never)
  private borrowing func waitInTurn(until deadline: UInt64) -> Bool {
    if queue.wait(until: deadline, unless: Self.takePermit) { return true }
    // A permit that was given to a thread that waits is on its way: without a thread to count for, this
    // one has to take it.
    var seen = balance.load(ordering: .relaxed)
    while seen < 0 {
      let result = balance.compareExchange(expected: seen, desired: seen + 1, ordering: .relaxed)
      if result.exchanged { return false }
      seen = result.original
      Processor.pause()
    }
    queue.wait(unless: Self.takePermit)
    return true
  }

  @inline(__always)
  private static func takePermit(_ permits: inout Int) -> Bool {
    if permits == 0 { return false }
    permits &-= 1
    return true
  }

  @inline(never)
  private borrowing func handOver() {
    queue.wakeFirst(if: { permits, someoneWaits in
      if !someoneWaits { permits += 1 }
      return someoneWaits
    })
  }
}
