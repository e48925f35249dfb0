/// Runs one schedule that is known. A decision that does not offer what the schedule says takes what
/// happens by itself: a shortened schedule is still one.
struct ScheduleReplay: SchedulingStrategy {
  private var actions: [Int: Action] = [:]
  private var pauses: Set<Int> = []
  private var isOver = false
  let seed: UInt64? = nil

  init(_ schedule: Schedule) {
    for deviation in schedule.deviations {
      switch deviation {
      case .run(let cpu, let decision): actions[decision] = Action(cpu: cpu, isInterrupt: false)
      case .interrupt(let cpu, let decision):
        actions[decision] = Action(cpu: cpu, isInterrupt: true)
      case .insist(let pause): pauses.insert(pause)
      }
    }
  }

  mutating func beginSchedule() -> Bool {
    defer { isOver = true }
    return !isOver
  }

  func choose(_ decision: Decision) -> Int {
    guard let action = actions[decision.index] else { return 0 }
    return decision.options.firstIndex(of: action) ?? 0
  }

  func insists(atPause index: Int) -> Bool { pauses.contains(index) }
}
