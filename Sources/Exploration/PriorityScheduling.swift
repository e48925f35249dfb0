/// Random schedules by priorities (PCT: Burckhardt and others, "A Randomized Scheduler with
/// Probabilistic Guarantees of Finding Bugs", 2010).
///
/// The CPU with the highest priority runs; at a few random decisions the one that runs falls behind
/// all others. A bug that needs d such changes is found with a known probability, however long the run
/// is. Every fourth schedule instead chooses anew at each decision, for bugs that need many switches.
/// The first schedule, without a seed, has no changes: it tells how long a run is. Each of the others
/// follows from its seed and that.
struct PriorityScheduling: SchedulingStrategy {
  private var nextSeed: UInt64
  private var remaining: Int
  private(set) var seed: UInt64?

  /// Decisions in the schedule without changes.
  private var length: Int?
  private var random = RandomNumbers(seed: 0)
  private var priorities: [Int] = []
  /// Below all others so far.
  private var lowest = 0
  private var changes: [Int] = []
  private var nextChange = 0
  private var isWalk = false
  /// An interrupt that is pending comes at a decision with probability 2^-this.
  private var interruptShift = 0
  /// A walk leaves its CPU at a decision with probability 2^-this.
  private var switchShift = 0
  private var mayInsist = false

  /// `count` schedules with seeds from `firstSeed` on.
  init(firstSeed: UInt64, count: Int) {
    nextSeed = firstSeed
    remaining = count
  }

  mutating func beginSchedule() -> Bool {
    if length == nil { return true }
    guard remaining > 0 else { return false }
    remaining -= 1
    // Neighbouring seeds would give neighbouring states of the generator.
    var mixer = RandomNumbers(seed: nextSeed)
    random = RandomNumbers(seed: mixer.next())
    seed = nextSeed
    isWalk = nextSeed % 4 == 3
    nextSeed &+= 1
    priorities = (1...Explorer.maximumCPUCount).shuffled(using: &random)
    lowest = 0
    interruptShift = random.below(6)
    switchShift = random.below(5)
    mayInsist = random.below(2) == 0
    let length = (length ?? 0) * 5 / 4 + 4
    changes = (0..<random.below(6)).map { _ in random.below(length) }.sorted()
    nextChange = 0
    return true
  }

  mutating func endSchedule(decisions: Int) {
    if length == nil { length = decisions }
  }

  mutating func choose(_ decision: Decision) -> Int {
    if length == nil { return 0 }
    let options = decision.options
    if isWalk {
      return random.once(in: switchShift) ? random.below(options.count) : 0
    }
    while nextChange < changes.count, changes[nextChange] <= decision.index {
      if decision.continuesCurrent {
        lowest -= 1
        priorities[Int(options[0].cpu)] = lowest
      }
      nextChange += 1
    }
    var best = 0
    var bestPriority = Int.min
    for index in options.indices {
      let option = options[index]
      if option.isInterrupt {
        // The interrupt of a CPU that cannot do anything else competes by the CPU's priority.
        let competes = options.contains(Action(cpu: option.cpu, isInterrupt: false))
        if competes {
          if random.once(in: interruptShift) { return index }
          continue
        }
      }
      let priority = priorities[Int(option.cpu)]
      if priority > bestPriority { (best, bestPriority) = (index, priority) }
    }
    return best
  }

  mutating func insists(atPause index: Int) -> Bool {
    length != nil && mayInsist && random.once(in: 5)
  }
}
