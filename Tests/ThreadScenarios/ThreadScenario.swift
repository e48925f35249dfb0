import Machine
import PerCPU
import Scheduler
import TestSupport

/// A program of a few threads over the scheduler, with what must be true of it. An explorer runs it in many
/// orders on simulated CPUs, and threads of the host that play CPUs run it under ThreadSanitizer.
///
/// While its threads run, another one changes at random on which CPUs they may run.
public struct ThreadScenario: Sendable {
  /// What it is called.
  public let name: String
  let cast: @Sendable (Surroundings) -> Cast

  /// The classic ones.
  public static let all = [
    producersAndConsumers, readersAndWriters, philosophers, thunderingHerd, cancelAgainstFire,
  ]

  /// What the threads of one run do, and what is checked when they have ended.
  struct Cast {
    var threads: [@Sendable () -> Void]
    var atEnd: () -> Void
  }

  /// Where a scenario runs.
  public struct Surroundings: Sendable {
    /// The CPUs, from 0 on, all of which are online.
    public var cpuCount: Int
    /// How often each thread does what it does.
    public var rounds: Int
    /// How often threads' affinities change.
    public var changes: Int
    /// Nanoseconds in which a thread gets something done here, for timers.
    public var moment: UInt64
    /// Ends the run as failed if the condition is false.
    public var check: @Sendable (Bool, @autoclosure () -> String) -> Void
    /// A place where others may run: between two accesses to memory.
    public var yieldPoint: @Sendable () -> Void

    public init(
      cpuCount: Int, rounds: Int, changes: Int, moment: UInt64,
      check: @escaping @Sendable (Bool, @autoclosure () -> String) -> Void,
      yieldPoint: @escaping @Sendable () -> Void
    ) {
      self.cpuCount = cpuCount
      self.rounds = rounds
      self.changes = changes
      self.moment = moment
      self.check = check
      self.yieldPoint = yieldPoint
    }

    /// Counts, so that a thread shows which is here at the same time.
    func visit(_ count: inout Int) {
      let before = count
      yieldPoint()
      count = before + 1
      check(count == before + 1, "two threads are inside")
    }
  }

  /// Runs it, in a thread; returns when all its threads have ended and what they leave behind has been checked.
  public func run(in surroundings: Surroundings) {
    let cast = cast(surroundings)
    let threads = cast.threads.map { body in
      do {
        return try Thread.spawn(stackSize: 256 << 10, body)
      } catch { fatalError("\(error)") }
    }
    // Sets that follow from the number of CPUs alone: when each change comes is up to the surroundings.
    var random = SplitMix64(seed: UInt64(surroundings.cpuCount))
    for change in 0..<surroundings.changes {
      let cpus = CPUSet(bits: random.next() & (1 << UInt64(surroundings.cpuCount)) &- 1)
      // The empty set is refused.
      try? threads[change % threads.count].setAffinity(cpus)
      surroundings.yieldPoint()
    }
    for thread in threads { thread.join() }
    cast.atEnd()
  }
}
