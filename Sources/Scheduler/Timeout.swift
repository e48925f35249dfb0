import Locking
import Machine

/// The end of a wait because its time is over. Modelled in `Models/WaitQueue.pml`.
///
/// Whoever takes a place out of its queue, with the lock, ends the wait: the one that wakes or the timer.
enum Timeout {
  /// Parks a thread, the running one, whose place is in a queue; returns whether it was woken by `deadline`.
  @inline(never)
  static func park(
    _ thread: UnsafeMutablePointer<ThreadRecord>, in queue: UnsafePointer<WaitPlaces>,
    until deadline: UInt64
  ) -> Bool {
    thread.pointee.wait.queue = queue
    let isSet = MonotonicClock.nanoseconds < deadline
    if isSet {
      setTimer(
        { Timeout.expire($0.assumingMemoryBound(to: ThreadRecord.self)) }, thread,
        &thread.pointee.timer, at: deadline, every: 0)
    } else {
      // Nobody will wake the thread if this takes it out; otherwise somebody has, or is about to.
      Processor.withInterruptsDisabled { expire(thread) }
    }
    Parking.park()
    // The timer's function lets go of everything before it wakes the thread.
    if thread.pointee.wait.isTimedOut { return false }
    if isSet { Timers.cancel(&thread.pointee.timer) }
    return true
  }

  /// Ends a wait if it still lasts. Interrupts are off; the timers' lock may be held.
  private static func expire(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    InterruptsDisabled.assumed { proof in
      let isTaken = thread.pointee.wait.queue?.pointee.withLock(interruptsDisabled: proof) { list in
        if !thread.pointee.wait.isQueued { return false }
        list.remove(thread)
        thread.pointee.wait.isTimedOut = true
        return true
      }
      if isTaken == true { Parking.wake(thread) }
    }
  }
}
