import Machine

/// Looks from time to time whether a CPU has been waited for too long.
struct AnswerWatch {
  /// The clock is read once in so many turns of a wait.
  private static let turnsPerLook = 1 << 16
  /// What is counted at most between two looks: a machine that was halted by its monitor, or by a
  /// debugger, has not waited.
  private static let longestStep: UInt64 = 100_000_000

  private var turns = 0
  private var last: UInt64 = 0
  private var waited: UInt64 = 0

  /// Whether the time is over; called once in each turn.
  @inline(__always)
  mutating func isOver() -> Bool {
    turns &+= 1
    return turns % Self.turnsPerLook == 0 && look()
  }

  @inline(never)
  private mutating func look() -> Bool {
    let now = MonotonicClock.nanoseconds
    if last != 0 { waited += Swift.min(now - last, Self.longestStep) }
    last = now
    return waited >= UrgentCall.patience
  }
}
