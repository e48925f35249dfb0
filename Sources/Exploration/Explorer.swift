/// Runs scenarios in many orders, until one fails or there are no more.
public enum Explorer {
  /// Simulated CPUs that a scenario may have.
  public static let maximumCPUCount = 8
  /// Bytes of a simulated CPU's stack.
  static let stackSize = 256 << 10

  /// What an exploration came to.
  public struct Result: Sendable {
    /// Runs, those that found the failure shorter not included.
    public var schedules = 0
    /// Of these, the ones with the largest number of preemptions that was allowed: each once.
    public var schedulesOfLastBound = 0
    /// Operations of all CPUs in all runs.
    public var steps = 0
    /// The first schedule that failed.
    public var failure: FailedSchedule?
    /// All schedules with at most so many preemptions have been run.
    public var completedBound: Int?
    /// There is no schedule that has not been run.
    public var isComplete = false
  }

  /// Runs all schedules with at most `bound` preemptions, fewest first, but at most `limit`.
  public static func exhaust(
    _ scenario: Scenario, bound: Int = .max, limit: Int = .max
  ) -> Result {
    let execution = Execution(scenario, strategy: ExhaustiveSearch(bound: bound))
    var result = run(execution, limit: limit)
    if let search = execution.strategy as? ExhaustiveSearch {
      result.schedulesOfLastBound = search.schedulesOfBound
      result.completedBound = search.completedBound
      result.isComplete = search.isComplete
      if search.isIrreproducible && result.failure == nil {
        result.failure = FailedSchedule(
          scenario: scenario.name,
          failure: Failure(
            .irreproducible, "the same decisions led to another run: it depends on something else"),
          schedule: execution.schedule, seed: nil, number: result.schedules, trace: "")
      }
    }
    return result
  }

  /// Runs random schedules with seeds from `firstSeed` on.
  public static func sample(
    _ scenario: Scenario, schedules: Int, firstSeed: UInt64 = 1
  ) -> Result {
    run(
      Execution(
        scenario, strategy: PriorityScheduling(firstSeed: firstSeed, count: schedules)),
      limit: schedules + 1)
  }

  /// Runs one schedule again; returns how it failed, if it does.
  public static func replay(_ scenario: Scenario, _ schedule: Schedule) -> Result {
    run(Execution(scenario, strategy: ScheduleReplay(schedule)), limit: 1)
  }

  private static func run(_ execution: Execution, limit: Int) -> Result {
    var result = Result()
    while result.schedules < limit, execution.strategy.beginSchedule() {
      execution.run()
      execution.strategy.endSchedule(decisions: execution.decisions)
      result.schedules += 1
      result.steps += execution.steps
      if let failure = execution.failure {
        let seed = execution.strategy.seed
        let strategy = execution.strategy
        result.failure = FailedSchedule(
          shortening: failure, of: execution, seed: seed, number: result.schedules)
        execution.strategy = strategy
        break
      }
    }
    return result
  }
}
