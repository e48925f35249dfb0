import Exploration
import Kernel
import Machine
import PerCPU

@testable import Scheduler

/// `Kernel/CPUWork.swift`: work is done once on each CPU, by threads that stay there.
enum CPUWorkScenarios {
  static var all: [Scenario] { [run, mutual] }

  private final class Tally: @unchecked Sendable {
    // One explorer's thread plays all CPUs.
    var counts = [Int](repeating: 0, count: 3)

    func count(_ cpu: CPU) {
      if cpu == .current { counts[cpu.index] += 1 }
    }
  }

  /// `callers` threads hand out work to all CPUs.
  private static func scenario(_ name: String, callers: Int, cpuCount: Int) -> Scenario {
    Scenario(name) { machine in
      let run = SchedulerScenarios.Run(machine, cpuCount: cpuCount, threads: callers)
      machine.keep(run)
      let tally = Tally()
      run.start {
        for _ in 0..<callers {
          run.spawn {
            let before = Thread.current.affinity
            CPUWork.run(on: .online) { tally.count($0) }
            run.check(Thread.current.affinity == before, "an affinity was not given back")
            run.finish()
          }.detach()
        }
      }
      machine.atEnd {
        let expected = Array(repeating: callers, count: cpuCount)
        machine.check(
          Array(tally.counts.prefix(cpuCount)) == expected, "work done: \(tally.counts)")
      }
    }
  }

  static var run: Scenario { scenario("CPUWork/run", callers: 1, cpuCount: 3) }
  static var mutual: Scenario { scenario("CPUWork/mutual", callers: 2, cpuCount: 2) }
}
