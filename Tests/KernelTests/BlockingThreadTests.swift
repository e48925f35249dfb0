import Foundation
import Machine
import Parallel
import PerCPU
import Testing

@testable import Scheduler

extension SimulatedMachine {
  /// Threads of the kernel's scheduler on CPUs that threads of the host play at the same time.
  @Suite struct BlockingThreadTests {
    private final class Shared: Sendable {
      let mutex = Mutex<Int>(0)
      let changed = Condition()
      let lock = RWLock<Pair>(Pair())
      let once = Once()
      let barrier = Barrier(count: 4)
      let semaphore = Semaphore(2)
      let count = Atomic<Int>(0)
      let wrong = Atomic<Int>(0)

      func expect(_ condition: Bool) {
        if !condition { wrong.wrappingAdd(1, ordering: .relaxed) }
      }
    }

    private struct Pair: Sendable {
      var first = 0
      var second = 0
    }

    private static let cpuCount = 3
    #if DEBUG
    private static let rounds = 300
    #else
    private static let rounds = 3000
    #endif

    /// Runs threads to their end on all CPUs. They leave a CPU only where they wait or yield: nothing
    /// interrupts here, so there are no deadlines.
    private func run(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
      _ = SimulatedMachine.shared
      // Never given back: whoever asks for the running thread later finds where it would be.
      let storage = UnsafeMutableRawPointer.allocate(
        byteCount: Scheduler.byteCount(for: SimulatedMachine.cpuCount), alignment: 128)
      Scheduler.initialize(in: storage, count: SimulatedMachine.cpuCount)
      let unfinished = Unfinished(count)
      let cpus = CPUSet(CPU(index: 0)).union(CPUSet(CPU(index: 1))).union(CPUSet(CPU(index: 2)))
      onSimulatedCPUs(Self.cpuCount) { index in
        if index == 0 {
          for number in 0..<count {
            let thread = try? Thread.spawn(affinity: cpus, stackSize: 512 << 10) {
              body(number)
              unfinished.count.wrappingSubtract(1, ordering: .acquiringAndReleasing)
            }
            thread?.detach()
          }
        }
        Scheduler.runThreads { unfinished.count.load(ordering: .acquiring) == 0 }
      }
    }

    private final class Unfinished: Sendable {
      let count: Atomic<Int>
      init(_ count: Int) { self.count = Atomic(count) }
    }

    @Test func mutex() {
      let shared = Shared()
      run(5) { index in
        for round in 0..<Self.rounds {
          shared.mutex.withLock { count in
            let before = count
            if (round + index) % 16 == 0 { Thread.yield() }
            count = before + 1
          }
        }
      }
      #expect(shared.mutex.state.address.pointee == 5 * Self.rounds)
      #expect(shared.mutex.core.word.load(ordering: .relaxed) == 0)
    }

    @Test func readersAndWriters() {
      let shared = Shared()
      run(5) { index in
        for round in 0..<Self.rounds {
          if (index + round) % 4 == 0 {
            shared.lock.withWriteLock { pair in
              pair.first += 1
              if round % 8 == 0 { Thread.yield() }
              pair.second += 1
            }
          } else {
            shared.lock.withReadLock { pair in
              let first = pair.first
              if round % 8 == 0 { Thread.yield() }
              shared.expect(first == pair.second)
            }
          }
        }
      }
      #expect(shared.wrong.load(ordering: .relaxed) == 0)
      #expect(shared.lock.core.word.load(ordering: .relaxed) == 0)
    }

    @Test func condition() {
      let shared = Shared()
      run(4) { index in
        for _ in 0..<Self.rounds {
          if index % 2 == 0 {
            shared.mutex.withLock { $0 += 1 }
            shared.changed.signal()
          } else {
            shared.mutex.withGuard { guarded in
              while guarded.state == 0 { shared.changed.wait(guarded) }
              guarded.state -= 1
            }
          }
        }
      }
      #expect(shared.mutex.state.address.pointee == 0)
    }

    @Test func channel() {
      let shared = Shared()
      let channel = Channel<[Int]>(capacity: 2)
      run(4) { index in
        for round in 0..<Self.rounds {
          if index % 2 == 0 {
            shared.expect((try? channel.send([index, round])) != nil)
          } else if let message = channel.receive() {
            shared.count.wrappingAdd(message[1], ordering: .relaxed)
          } else {
            shared.expect(false)
          }
        }
      }
      #expect(shared.count.load(ordering: .relaxed) == Self.rounds * (Self.rounds - 1))
      #expect(shared.wrong.load(ordering: .relaxed) == 0)
    }

    @Test func barrierOnceAndSemaphore() {
      let shared = Shared()
      run(4) { _ in
        for round in 1...50 {
          shared.semaphore.wait()
          shared.count.wrappingAdd(1, ordering: .relaxed)
          shared.semaphore.signal()
          shared.once.run { shared.mutex.withLock { $0 += 1 } }
          shared.barrier.wait()
          shared.expect(shared.count.load(ordering: .relaxed) >= 4 * round)
        }
      }
      #expect(shared.wrong.load(ordering: .relaxed) == 0)
      #expect(shared.mutex.state.address.pointee == 1)
    }

    @Test func loopsAndPools() {
      let shared = Shared()
      run(1) { _ in
        let numbers = parallelMap(0..<20_000) { $0 }
        let sum = parallelReduce(0..<20_000, 0) {
          $0 += numbers[$1]
        } combine: {
          $0 += $1
        }
        shared.expect(sum == 20_000 * 19_999 / 2)
        guard let pool = try? TaskPool(workerCount: 2) else { return shared.expect(false) }
        let tasks = (0..<50).map { number in pool.submit { [number] } }
        for number in 0..<50 { shared.expect(tasks[number].value == [number]) }
        pool.finish()
      }
      #expect(shared.wrong.load(ordering: .relaxed) == 0)
    }
  }
}
