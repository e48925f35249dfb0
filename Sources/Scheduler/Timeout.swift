import Locking
import Machine

/// The end of a wait because its time is over. Modelled in `Models/WaitQueue.pml`.
///
/// Whoever takes a place out of its queue, with the lock, ends the wait: the one that wakes or the timer.
enum Timeout {
  /// Parks the running thread, whose place is in a queue; returns whether it was woken by `deadline`.
  @inline(never)
  static func park(
    _ place: UnsafeMutablePointer<WaitPlace>, in queue: UnsafePointer<WaitPlaces>,
    until deadline: UInt64
  ) -> Bool {
    place.pointee.queue = queue
    if MonotonicClock.nanoseconds >= deadline {
      // Nobody will wake the thread if this takes it out; otherwise somebody has, or is about to.
      Processor.withInterruptsDisabled { expire(place) }
      Parking.park()
      return !place.pointee.isTimedOut
    }
    var timer = TimerNode()
    return withUnsafeMutablePointer(to: &timer) { timer in
      setTimer(
        { Timeout.expire($0.assumingMemoryBound(to: WaitPlace.self)) }, place, timer, at: deadline,
        every: 0)
      Parking.park()
      // Its function takes the place out and lets go of both before it wakes the thread.
      if place.pointee.isTimedOut { return false }
      Timers.cancel(timer)
      return true
    }
  }

  /// Ends a wait if it still lasts. Interrupts are off; the timers' lock may be held.
  private static func expire(_ place: UnsafeMutablePointer<WaitPlace>) {
    InterruptsDisabled.assumed { proof in
      let thread: UnsafeMutablePointer<ThreadRecord>? = place.pointee.queue?.pointee.withLock(
        interruptsDisabled: proof
      ) { list in
        guard place.pointee.isQueued else { return nil }
        list.remove(place)
        place.pointee.isTimedOut = true
        return place.pointee.thread
      }
      if let thread { Parking.wake(thread) }
    }
  }
}
