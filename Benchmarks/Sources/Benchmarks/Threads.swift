import Scheduler

/// Threads on one CPU.
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

  /// Makes the stacks that the scheduler keeps.
  static func prepare() {
    finish([spawn { spawn {}.join() }, spawn {}])
  }

  static func spawn(_ body: @escaping @Sendable () -> Void) -> Thread {
    guard let thread = try? Thread.spawn(body) else { Benchmarks.fail("no thread") }
    return thread
  }

  /// Waits for threads.
  static func finish(_ threads: [Thread]) {
    for thread in threads { thread.join() }
  }
}
