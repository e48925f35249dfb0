import Machine

extension Thread {
  /// Waits until `deadline` (nanoseconds of `MonotonicClock`). In threads.
  // By itself, so that the function which is handed over is a constant there.
  @inline(never)
  public static func sleep(until deadline: UInt64) {
    Switch.checkMaySwitch()
    if MonotonicClock.nanoseconds >= deadline { return }
    let own = Scheduler.currentRecord
    precondition(own.pointee.memory != nil, "a CPU's idle loop sleeps")
    Parking.prepare(own)
    // When the function wakes the thread, nobody looks at the timer any more: nothing to cancel.
    setTimer(
      { Parking.wake($0.assumingMemoryBound(to: ThreadRecord.self)) }, own, &own.pointee.timer,
      at: deadline, every: 0)
    Parking.park()
  }

  /// Waits for a time of at least `nanoseconds`. In threads.
  public static func sleep(nanoseconds: UInt64) {
    let (deadline, overflow) = MonotonicClock.nanoseconds.addingReportingOverflow(nanoseconds)
    sleep(until: overflow ? .max : deadline)
  }
}
