import Foundation
import Machine
import PerCPU
import Scheduler
import Testing

/// What ThreadSanitizer must report, and what it must not, of threads of the kernel's scheduler that change stacks and
/// CPUs: each in a process of its own, whose status says whether there was a report.
@Suite(.enabled(if: dlsym(nil, "__tsan_init") != nil)) struct PlantedRaceTests {
  // Wrong on purpose.
  private final class Shared: @unchecked Sendable {
    var count = 0
    /// How many threads run: with both there, no lock of the scheduler's comes between the two.
    let hasBegun = Atomic<Int>(0)
    let isReady = Atomic<Int>(0)
    let mutex = Mutex<Int>(0)
  }

  /// The status of a process that ThreadSanitizer has reported something of.
  private static var reported: ExitTest.Condition { .exitCode(66) }

  /// Runs `body` in two threads, the one on CPU 0 and the other on CPU 1.
  private static func run(_ body: @escaping @Sendable (Int) -> Void) {
    SimulatedThreads.run(cpuCount: 2) {
      let threads = (0..<2).map { index in
        try? Thread.spawn(affinity: CPUSet(CPU(index: index)), stackSize: 256 << 10) { body(index) }
      }
      for thread in threads { thread?.join() }
    }
  }

  @Test func aCounterOfTwoCPUsIsReported() async {
    await #expect(processExitsWith: Self.reported) {
      let shared = Shared()
      Self.run { _ in
        shared.hasBegun.wrappingAdd(1, ordering: .relaxed)
        while shared.hasBegun.load(ordering: .relaxed) < 2 { Processor.pause() }
        for _ in 0..<100 { shared.count += 1 }
      }
    }
  }

  /// The thread of CPU 0 changes the count, and that of CPU 1 after it.
  private static func handOver(
    _ index: Int, _ shared: Shared, publish: () -> Void, isPublished: () -> Bool
  ) {
    if index == 0 {
      while shared.hasBegun.load(ordering: .relaxed) == 0 { Processor.pause() }
      shared.count = 1
      publish()
    } else {
      shared.hasBegun.store(1, ordering: .relaxed)
      while !isPublished() { Processor.pause() }
      shared.count += 1
    }
  }

  @Test func aRelaxedHandOverIsReported() async {
    await #expect(processExitsWith: Self.reported) {
      let shared = Shared()
      Self.run { index in
        Self.handOver(index, shared) {
          shared.isReady.store(1, ordering: .relaxed)
        } isPublished: {
          shared.isReady.load(ordering: .relaxed) != 0
        }
      }
    }
  }

  /// The same two, put right, and a counter that goes with its thread from CPU to CPU.
  @Test func nothingElseIsReported() async {
    await #expect(processExitsWith: .success) {
      let shared = Shared()
      Self.run { index in
        Self.handOver(index, shared) {
          shared.isReady.store(1, ordering: .releasing)
        } isPublished: {
          shared.isReady.load(ordering: .acquiring) != 0
        }
        var own = [0]
        for turn in 0..<100 {
          shared.mutex.withLock { $0 += 1 }
          try? Thread.current.setAffinity(CPUSet(CPU(index: turn % 2)))
          own[0] += 1
        }
        precondition(own == [100])
      }
      precondition(shared.count == 2)
    }
  }
}
