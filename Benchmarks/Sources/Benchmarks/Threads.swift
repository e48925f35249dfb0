import Machine
import Scheduler

/// Threads on one CPU. What runs `main` is this CPU's idle loop to them.
enum Threads {
  static var all: [Benchmark] {
    [
      // A round is a yield of each of two threads.
      Benchmark("yield-pair", rounds: 1_000, prepare: prepare) { run in
        finish([spawn { run { Thread.yield() } }, spawn { run { Thread.yield() } }])
      },
      Benchmark("thread-create-join", rounds: 1_000, prepare: prepare) { run in
        finish([spawn { run { spawn {}.join() } }])
      },
    ]
  }

  /// Makes the scheduler, and the stacks that it keeps.
  static func prepare() {
    Scheduler.initialize(
      in: .allocate(byteCount: Scheduler.byteCount(for: 1), alignment: 128), count: 1)
    finish([spawn { spawn {}.join() }, spawn {}])
  }

  static func spawn(_ body: @escaping @Sendable () -> Void) -> Thread {
    guard let thread = try? Thread.spawn(body) else { Benchmarks.fail("no thread") }
    return thread
  }

  /// Runs threads until one more has joined all of these.
  static func finish(_ threads: [Thread]) {
    let unfinished = Atomic<Int>(1)
    withUnsafePointer(to: unfinished) { pointer in
      let address = UInt(bitPattern: pointer)
      spawn {
        for thread in threads { thread.join() }
        UnsafePointer<Atomic<Int>>(bitPattern: address)?.pointee.store(0, ordering: .releasing)
      }.detach()
      Scheduler.runThreads { pointer.pointee.load(ordering: .acquiring) == 0 }
    }
  }
}
