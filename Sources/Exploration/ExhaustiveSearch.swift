/// All schedules with at most so many preemptions, fewest first (iterative context bounding: Musuvathi
/// and Qadeer, 2007). A switch where the CPU cannot go on anyway is free; an interrupt counts as a
/// preemption.
struct ExhaustiveSearch: SchedulingStrategy {
  private struct Branch {
    var chosen: Int
    let count: Int
    let continuesCurrent: Bool
  }

  private let largestBound: Int
  private(set) var bound = 0
  private var path: [Branch] = []
  private var hasBegun = false
  /// Whether something was left out because of the bound.
  private var wasBounded = false

  /// Schedules of the present bound so far; it visits those of lower bounds again.
  private(set) var schedulesOfBound = 0
  /// All schedules with at most this many preemptions were run.
  private(set) var completedBound: Int?
  /// There is no schedule with more preemptions than `completedBound`.
  private(set) var isComplete = false
  /// The scenario did not behave the same when the same decisions were taken.
  private(set) var isIrreproducible = false

  let seed: UInt64? = nil

  /// Up to `bound` preemptions; without one, however many there can be.
  init(bound: Int = .max) { largestBound = bound }

  mutating func beginSchedule() -> Bool {
    if isIrreproducible { return false }
    if !hasBegun {
      hasBegun = true
    } else if !advance() {
      completedBound = bound
      isComplete = !wasBounded
      if isComplete || bound == largestBound { return false }
      bound += 1
      path = []
      wasBounded = false
      schedulesOfBound = 0
    }
    schedulesOfBound += 1
    return true
  }

  /// Goes on to the next path of the tree; returns whether there is one within the bound.
  private mutating func advance() -> Bool {
    var used = path.reduce(0) { $0 + ($1.continuesCurrent && $1.chosen > 0 ? 1 : 0) }
    while var last = path.popLast() {
      if last.continuesCurrent && last.chosen > 0 { used -= 1 }
      if last.chosen + 1 < last.count {
        if !last.continuesCurrent || used < bound {
          last.chosen += 1
          path.append(last)
          return true
        }
        wasBounded = true
      }
    }
    return false
  }

  mutating func choose(_ decision: Decision) -> Int {
    if decision.index < path.count {
      let branch = path[decision.index]
      if branch.count != decision.options.count
        || branch.continuesCurrent != decision.continuesCurrent
      {
        isIrreproducible = true
        return 0
      }
      return branch.chosen
    }
    path.append(
      Branch(
        chosen: 0, count: decision.options.count, continuesCurrent: decision.continuesCurrent))
    return 0
  }

  func insists(atPause index: Int) -> Bool { false }
}
