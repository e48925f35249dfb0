import Machine

/// Where threads wait until the state that a mutex guards has changed.
///
///     orders.withGuard { guarded in
///       while guarded.state.isEmpty { changed.wait(guarded) }
///       return guarded.state.removeFirst()
///     }
///
/// A thread that waits may be woken although nothing has changed that it cares for: it looks again.
/// In POSIX terms `pthread_cond_t`.
public struct Condition: ~Copyable, Sendable {
  private let queue = WaitQueue<UInt8>(0)

  /// A condition for which nobody waits.
  @_transparent
  public init() {}

  /// Gives the mutex back, waits for a `signal` or `broadcast` that comes after that, and takes the mutex
  /// again. Not in interrupts.
  public borrowing func wait<State: ~Copyable>(_ guarded: borrowing MutexGuard<State>) {
    _ = wait(guarded, until: .max)
  }

  /// The same, until `deadline` at the latest, in nanoseconds of `MonotonicClock`; returns false if that
  /// ended the wait. The mutex is taken again either way, for which it may have to wait longer.
  public borrowing func wait<State: ~Copyable>(
    _ guarded: borrowing MutexGuard<State>, until deadline: UInt64
  ) -> Bool {
    let core = guarded.core
    let owner = guarded.owner
    // The mutex is given back when the place in the queue is sure: a signal after that finds it.
    let wasWoken = queue.waitInTurn(
      until: deadline, unless: { _ in false }, whenQueued: { core.pointee.release(owner) })
    _ = core.pointee.acquire()
    return wasWoken
  }

  /// Wakes the thread that has waited longest, if one waits. Any context.
  public borrowing func signal() {
    queue.wakeFirst(if: { _, someoneWaits in someoneWaits })
  }

  /// Wakes all threads that wait. Any context.
  public borrowing func broadcast() {
    queue.wakeAll()
  }

  /// `signal` in the handler of an interrupt. What the handler changes is no state of the mutex, which it cannot
  /// take, but an `Atomic`.
  public borrowing func signal(from context: borrowing InterruptContext) { signal() }

  /// `broadcast` in the handler of an interrupt.
  public borrowing func broadcast(from context: borrowing InterruptContext) { broadcast() }
}
