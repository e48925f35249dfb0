import Machine

/// Where a number of threads wait for each other, again and again.
public struct Barrier: ~Copyable, Sendable {
  struct Progress {
    /// Threads that have come in this round.
    var arrived = 0
    /// Rounds that are over.
    var round: UInt64 = 0
  }

  private let count: Int
  private let queue = WaitQueue<Progress>(Progress())

  /// A barrier for `count` threads, at least 1.
  public init(count: Int) {
    precondition(count > 0, "a barrier is for at least one thread")
    self.count = count
  }

  /// Waits until `count` threads have called this, the present call included. Returns true to one of them,
  /// the last one that came. Not in interrupts.
  @discardableResult
  public borrowing func wait() -> Bool { arriveAndWait(until: .max) ?? false }

  /// The same, but returns `nil` if `deadline` passes first, in nanoseconds of `MonotonicClock`: then the
  /// call does not count.
  public borrowing func wait(until deadline: UInt64) -> Bool? { arriveAndWait(until: deadline) }

  private borrowing func arriveAndWait(until deadline: UInt64) -> Bool? {
    var hasArrived = false
    var isLast = false
    var round: UInt64 = 0
    // In one go: a thread that has come and gone on may be in the queue for the next round at once.
    queue.wake(while: { progress, first in
      if !hasArrived {
        hasArrived = true
        round = progress.round
        progress.arrived += 1
        isLast = progress.arrived == count
        if isLast {
          progress.arrived = 0
          progress.round &+= 1
        }
      }
      return isLast && first != nil
    })
    if isLast { return true }
    if queue.waitInTurn(until: deadline, unless: { $0.round != round }) { return false }
    // The deadline may have passed just before the round was over.
    return queue.withState { progress in
      if progress.round != round { return false }
      progress.arrived -= 1
      return nil
    }
  }
}
