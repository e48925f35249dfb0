import Exploration
import Machine
import ThreadScenarios

@testable import Scheduler

/// The classic scenarios of threads, on 1 to 8 CPUs, while affinities change and threads are preempted anywhere.
enum ClassicThreadScenarios {
  static var all: [Scenario] {
    ThreadScenario.all.flatMap { scenario in (1...8).map { make(scenario, cpuCount: $0) } }
  }

  private static func make(_ scenario: ThreadScenario, cpuCount: Int) -> Scenario {
    Scenario("Classic/\(scenario.name)-\(cpuCount)") { machine in
      let run = SchedulerScenarios.Run(machine, cpuCount: cpuCount, threads: 1)
      machine.keep(run)
      machine.interrupt(.wake, on: 0, times: 3)
      machine.onInterruptExit {
        // As if a slice were over each time.
        Processor.preemptionRequest = Preemption.Reason.slice.rawValue
        if preemptionIsDue() { preempt() }
      }
      let surroundings = ThreadScenario.Surroundings(
        cpuCount: cpuCount, rounds: 1, changes: 6, moment: 300,
        check: { run.check($0, $1()) }, yieldPoint: { run.machine.yieldPoint() })
      run.start {
        run.spawn {
          scenario.run(in: surroundings)
          run.finish()
        }.detach()
      }
    }
  }
}
