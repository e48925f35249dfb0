import Exploration
import Foundation
import Locking
import Machine
import PerCPU
import Testing

@testable import Scheduler

/// What the compiler cannot see of the misuse of what threads wait for ends a checked build.
@Suite struct BlockingMisuseTests {
  private typealias Run = SchedulerScenarios.Run

  enum Threads: LockClass {
    typealias Context = ThreadOnly
    typealias Level = HeapLevel
    static var name: StaticString { "of a test" }
  }

  private final class Shared: Sendable {
    let mutex = Mutex<Int>(0)
    let semaphore = Semaphore(0)
    let channel = Channel<Int>(capacity: 1)
    let spinLock = SpinLock<Threads, Int>(0)
    let owner = Atomic<UInt64>(0)
  }

  private static func scenario(
    _ name: String, _ body: @escaping @Sendable (Shared) -> Void
  ) -> Scenario {
    Scenario("Misuse/\(name)") { machine in
      let run = Run(machine, cpuCount: 1, threads: 1)
      machine.keep(run)
      let shared = Shared()
      run.start {
        run.spawn {
          body(shared)
          run.finish()
        }.detach()
      }
    }
  }

  private static let misuses: [Scenario] = [
    scenario("lock-twice") { shared in
      shared.mutex.withLock { _ in shared.mutex.withLock { $0 += 1 } }
    },
    scenario("unlock-of-another") { shared in
      let thread = try? Thread.spawn(stackSize: 128 << 10) {
        shared.owner.store(shared.mutex.core.acquire(), ordering: .relaxed)
      }
      thread?.join()
      shared.mutex.core.release(shared.owner.load(ordering: .relaxed))
    },
    scenario("lock-in-interrupt") { shared in
      Processor.withInterruptMarked { shared.mutex.withLock { $0 += 1 } }
    },
    scenario("lock-without-preemption") { shared in
      Processor.withPreemptionDisabled { shared.mutex.withLock { $0 += 1 } }
    },
    scenario("wait-inside-spin-lock") { shared in
      shared.semaphore.signal()
      shared.spinLock.withLock { _ in shared.semaphore.wait() }
    },
    scenario("receive-in-interrupt") { shared in
      Processor.withInterruptMarked { _ = shared.channel.receive() }
    },
  ]

  /// The same in the right way, which shows that it is the misuse that ends the others.
  private static let control = scenario("none") { shared in
    shared.mutex.withLock { $0 += 1 }
    Processor.withPreemptionDisabled { shared.semaphore.signal() }
    shared.spinLock.withLock { _ in shared.semaphore.signal() }
    Processor.withInterruptMarked { shared.semaphore.signal() }
    for _ in 0..<3 { shared.semaphore.wait() }
    try? shared.channel.send(1)
    _ = shared.channel.receive()
  }

  static var names: [String] { misuses.map(\.name) }

  @Test(arguments: names) func endsTheRun(_ name: String) async {
    await #expect(processExitsWith: .exitCode(3)) { [name] in
      guard let scenario = BlockingMisuseTests.misuses.first(where: { $0.name == name }) else {
        fatalError("no scenario \(name)")
      }
      let failure = Explorer.sample(scenario, schedules: 1).failure
      exit(failure?.failure.kind == .trap ? 3 : 0)
    }
  }

  @Test func isNotFoundWhereThereIsNone() async {
    await #expect(processExitsWith: .exitCode(3)) {
      exit(Explorer.sample(BlockingMisuseTests.control, schedules: 20).failure == nil ? 3 : 0)
    }
  }
}
