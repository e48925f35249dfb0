import Machine
import PerCPU
import Testing

@testable import Kernel

/// Runs `body` on CPU 0 while all other CPUs of the machine serve.
private func withServingCPUs(_ body: @Sendable () -> Void) {
  let isOver = Atomic<UInt32>(0)
  onSimulatedCPUs(SimulatedMachine.cpuCount) { index in
    if index == 0 {
      body()
      isOver.store(1, ordering: .releasing)
    } else {
      CPUWork.wait { isOver.load(ordering: .acquiring) == 1 }
    }
  }
}

/// How often each CPU did something: one counter a CPU, written by that CPU.
private final class Tally: Sendable {
  private let counts = CPULocal<Int>()
  private let misplaced = Atomic<Int>(0)

  init() {
    counts.initialize(
      in: .allocate(
        byteCount: CPULocal<Int>.byteCount(for: SimulatedMachine.cpuCount), alignment: 128),
      count: SimulatedMachine.cpuCount
    ) { _ in 0 }
  }

  deinit { UnsafeMutableRawPointer(counts.pointer(for: CPU(index: 0))).deallocate() }

  /// Counts one for `cpu`, on which this should run.
  func count(_ cpu: CPU) {
    if cpu != .current { misplaced.wrappingAdd(1, ordering: .relaxed) }
    counts.withCurrent { $0 += 1 }
  }

  var values: [Int] {
    (0..<SimulatedMachine.cpuCount).map { counts.pointer(for: CPU(index: $0)).pointee }
  }

  var misplacedCount: Int { misplaced.load(ordering: .relaxed) }
}

extension SimulatedMachine {
  @Suite struct CPUWorkTests {
    private let machine = SimulatedMachine.shared

    @Test func everyCPUDoesItsPartOnce() {
      let tally = Tally()
      withServingCPUs {
        for _ in 0..<500 { CPUWork.run(on: .online) { tally.count($0) } }
      }
      #expect(tally.values == [500, 500, 500, 500])
      #expect(tally.misplacedCount == 0)
    }

    /// The values are read after `run` without any other synchronisation.
    @Test func onlyTheCPUsOfTheSetThatAreOnline() {
      let tally = Tally()
      withServingCPUs {
        CPUWork.run(on: CPUSet()) { tally.count($0) }
        CPUWork.run(on: CPUSet(CPU(index: 0))) { tally.count($0) }
        CPUWork.run(on: CPUSet(CPU(index: 2)).union(CPUSet(CPU(index: 63)))) { tally.count($0) }
      }
      #expect(tally.values == [1, 0, 1, 0])
    }

    @Test func interruptsAreOnDuringWorkAndAfterwards() {
      let violations = Atomic<Int>(0)
      withServingCPUs {
        let body: @Sendable (CPU) -> Void = { _ in
          if !Processor.interruptsAreEnabled { violations.wrappingAdd(1, ordering: .relaxed) }
        }
        for _ in 0..<50 { CPUWork.run(on: .online, body) }
        body(.current)
      }
      #expect(violations.load(ordering: .relaxed) == 0)
    }

    /// Every CPU asks all others from within its own work: each must serve while it waits.
    @Test func workMayAskForWork() {
      let tally = Tally()
      withServingCPUs {
        for _ in 0..<100 {
          CPUWork.run(on: .online) { _ in
            CPUWork.run(on: .online) { _ in
              CPUWork.run(on: CPUSet.online.subtracting(.current)) { tally.count($0) }
            }
          }
        }
      }
      // 100 times 4 times 4 runs, each on 3 CPUs and as often on each.
      #expect(tally.values == [1200, 1200, 1200, 1200])
      #expect(tally.misplacedCount == 0)
    }

    @Test func allCPUsAskAtTheSameTime() {
      let tally = Tally()
      let running = Atomic<Int>(SimulatedMachine.cpuCount)
      onSimulatedCPUs(SimulatedMachine.cpuCount) { _ in
        for _ in 0..<300 { CPUWork.run(on: .online) { tally.count($0) } }
        running.wrappingSubtract(1, ordering: .releasing)
        CPUWork.wait { running.load(ordering: .acquiring) == 0 }
      }
      #expect(tally.values == [1200, 1200, 1200, 1200])
    }
  }
}
