/// Where more than one thing may happen next.
struct Decision {
  /// Decisions before this one in the same schedule.
  let index: Int
  /// What may happen; the first is what happens if nobody interferes.
  let options: UnsafeBufferPointer<Action>
  /// Whether the first option lets the CPU go on that ran until now: to take another is a preemption
  /// or an interrupt.
  let continuesCurrent: Bool
}

/// Decides which schedules are run, and in which order.
protocol SchedulingStrategy {
  /// Starts the next schedule; returns whether there is one.
  mutating func beginSchedule() -> Bool

  /// Which of a decision's options is taken.
  mutating func choose(_ decision: Decision) -> Int

  /// Whether a CPU that pauses spins on for a while, as if its pauses were nothing. Otherwise it gives
  /// way until something is written. `index` counts the pauses of the schedule.
  mutating func insists(atPause index: Int) -> Bool

  /// The schedule is over, after so many decisions.
  mutating func endSchedule(decisions: Int)

  /// How the schedule that runs can be named to get it again, if by less than all its decisions.
  var seed: UInt64? { get }
}

extension SchedulingStrategy {
  func endSchedule(decisions: Int) {}
}
