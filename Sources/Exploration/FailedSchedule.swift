/// A schedule that failed, and how to see it again.
public struct FailedSchedule: Sendable {
  /// The scenario's name.
  public let scenario: String
  /// What is wrong.
  public let failure: Failure
  /// The shortest schedule found that fails in the same way.
  public let schedule: Schedule
  /// The seed of the random schedule that was found first.
  public let seed: UInt64?
  /// How many schedules it took, this one included.
  public let number: Int
  /// Its steps, one a line.
  public let trace: String
}

extension FailedSchedule {
  /// Looks for a shorter schedule with the same kind of failure, and records its steps.
  init(shortening failure: Failure, of execution: Execution, seed: UInt64?, number: Int) {
    var best = execution.schedule
    let deadline = ContinuousClock.now + .seconds(5)
    // Deviations are taken out, in ever smaller groups, as long as the run still fails.
    var group = max(best.deviations.count / 2, 1)
    while !best.deviations.isEmpty {
      var start = 0
      while start < best.deviations.count, ContinuousClock.now < deadline {
        var candidate = best
        candidate.deviations.removeSubrange(start..<min(start + group, best.deviations.count))
        execution.strategy = ScheduleReplay(candidate)
        execution.run()
        if execution.failure?.kind == failure.kind,
          execution.schedule.deviations.count < best.deviations.count
        {
          best = execution.schedule
        } else {
          start += group
        }
      }
      if group == 1 || ContinuousClock.now >= deadline { break }
      group /= 2
    }
    execution.strategy = ScheduleReplay(best)
    execution.isTracing = true
    execution.run()
    execution.isTracing = false
    self.init(
      scenario: execution.scenario.name, failure: execution.failure ?? failure, schedule: best,
      seed: seed, number: number,
      trace: TraceText(execution.trace, labels: execution.labels).text)
  }
}

extension FailedSchedule: CustomStringConvertible {
  public var description: String {
    """
    \(scenario) fails: \(failure.message)
      in schedule \(number)\(seed.map { " (seed \($0))" } ?? ""); again, shortened, by
      make explore SCENARIO=\(scenario) SCHEDULE='\(schedule)'
    \(trace)
    """
  }
}
