import Apus
import CProbe
import GuestTesting

/// Threads of all priorities that do everything that threads can do, at random, on CPUs that change, for a while;
/// each thing has its invariant, and at the end nothing is left.
///
/// `SOAK_MILLISECONDS` in the environment says for how long, in the guest's time, under the clock of instructions.
enum MixedLoadTests {
  static var suite: TestSuite {
    TestSuite(name: "MixedLoad", [Test("everything at once", everything)])
  }

  private static func everything(_ t: TestContext) {
    // What is kept once it was there: blocks and pages of the heap, this stack's pages.
    run(t, milliseconds: 50)
    useEveryCPU()
    let idle = SchedulingTests.idleWhileRunnable
    let before = FaultTests.settledFreeByteCount()
    run(t, milliseconds: milliseconds)
    t.expect(FaultTests.settledFreeByteCount(), equals: before, "free bytes")
    SchedulingTests.expectNoneIdled(t, since: idle)
  }

  /// Page tables that stay, and that a short run need not have made: of each CPU's part of the address space one, and
  /// where CPUs have page tables of their own, on each CPU on which this thread was those for its stack, as long as
  /// the stack is there.
  private static func useEveryCPU() {
    SoakTests.useEveryPart()
    let cpus = Thread.current.affinity
    for cpu in CPUSet.online {
      try? Thread.current.setAffinity(CPUSet(cpu))
      _ = probe_deep(256, 0)
    }
    try? Thread.current.setAffinity(cpus)
  }

  private static var milliseconds: UInt64 {
    Environment.value(of: "SOAK_MILLISECONDS").flatMap { UInt64($0) } ?? 500
  }

  private static func run(_ t: TestContext, milliseconds: UInt64) {
    let load = MixedLoad(t, until: MonotonicClock.nanoseconds + milliseconds * 1_000_000)
    let priorities: [Thread.Priority] = [.background, .normal, .normal, .urgent]
    let count = CPUSet.online.count * 3
    var threads: [Thread] = []
    for index in 0..<(count + MixedLoad.partnerCount) {
      let thread = try? Thread.spawn(priority: priorities[index % 4]) {
        if index < MixedLoad.partnerCount {
          load.meet()
        } else {
          var worker = MixedLoadWorker(load, seed: UInt64(index))
          worker.work()
        }
      }
      if let thread { threads.append(thread) } else { t.fail("no thread") }
    }
    for thread in threads { thread.join() }
    load.checkEnd()
  }
}
