import Exploration
import Machine
import PerCPU

@testable import Interrupts

/// `Interrupts/CrossCall.swift`: the function runs once on each CPU, with interrupts off, and callers
/// that wait for each other get on.
enum CrossCallScenarios {
  static var all: [Scenario] { [run, mutualWithInterruptsOff, pending] }

  /// How often each CPU did something.
  private final class Tally: @unchecked Sendable {
    // One explorer's thread plays all CPUs.
    var counts = [Int](repeating: 0, count: 3)
    var misplaced = 0

    func count(_ cpu: CPU) {
      counts[cpu.index] += 1
      if cpu != .current || Processor.interruptsAreEnabled { misplaced += 1 }
    }
  }

  private static func callers(
    _ name: String, interruptsOff: Bool
  ) -> Scenario {
    Scenario(name) { machine in
      machine.startSharedMachine(cpuCount: 3)
      let tally = Tally()
      for _ in 0..<2 {
        machine.cpu {
          if interruptsOff { Processor.disableInterrupts() }
          CrossCall.run(on: .online) { tally.count($0) }
          machine.check(
            Processor.interruptsAreEnabled != interruptsOff, "interrupts are not as before")
          if interruptsOff { Processor.enableInterrupts() }
        }
      }
      machine.cpu {}
      machine.atEnd {
        machine.check(tally.counts == [2, 2, 2], "calls done: \(tally.counts)")
        machine.check(tally.misplaced == 0, "a call ran elsewhere or with interrupts on")
      }
    }
  }

  static var run: Scenario { callers("CrossCall/run", interruptsOff: false) }

  static var mutualWithInterruptsOff: Scenario {
    callers("CrossCall/mutual-with-interrupts-off", interruptsOff: true)
  }

  /// A call that runs on its own while the caller does something else, twice with the same memory.
  static let pending = Scenario("CrossCall/pending") { machine in
    machine.startSharedMachine(cpuCount: 3)
    final class Counter { let count = Atomic<Int>(0) }
    let counter = Counter()
    machine.cpu {
      var call = CrossCall.Pending(capacity: 2)
      for turn in 1...2 {
        call.start(
          on: .online,
          { context, _ in
            Unmanaged<Counter>.fromOpaque(context).takeUnretainedValue()
              .count.wrappingAdd(1, ordering: .relaxed)
          }, context: Unmanaged.passUnretained(counter).toOpaque())
        call.wait()
        let count = counter.count.load(ordering: .relaxed)
        machine.check(count == 2 * turn, "\(count) calls are done after turn \(turn)")
      }
    }
    for _ in 0..<2 { machine.cpu {} }
    machine.atEnd { machine.check(counter.count.load(ordering: .relaxed) == 4, "calls are lost") }
  }
}
