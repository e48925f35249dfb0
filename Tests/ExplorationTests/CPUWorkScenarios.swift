import Exploration
import Machine
import PerCPU

@testable import Kernel

/// `Kernel/CPUWork.swift`: work is done once on each CPU, and nobody halts for good.
enum CPUWorkScenarios {
  static var all: [Scenario] { [run, mutual] }

  private final class Tally: @unchecked Sendable {
    // One explorer's thread plays all CPUs.
    var counts = [Int](repeating: 0, count: 3)
    let running = Atomic<Int>(0)

    func count(_ cpu: CPU) { counts[cpu.index] += 1 }

    /// One caller is through; tells those that wait for all.
    func finish(_ machine: Simulation) {
      if running.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
        for cpu in CPUSet.online where cpu != .current { CPUWork.wake(cpu) }
      }
    }

    func waitForAll() { CPUWork.wait { running.load(ordering: .acquiring) == 0 } }
  }

  /// `callers` CPUs hand out work to all, then all wait until each is through.
  private static func scenario(_ name: String, callers: Int, cpuCount: Int) -> Scenario {
    Scenario(name) { machine in
      machine.startSharedMachine(cpuCount: cpuCount)
      let tally = Tally()
      tally.running.store(callers, ordering: .relaxed)
      for index in 0..<cpuCount {
        machine.cpu {
          if index < callers {
            CPUWork.run(on: .online) { tally.count($0) }
            tally.finish(machine)
          }
          tally.waitForAll()
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
