import CBenchmarks
import Machine
import Scheduler

/// What threads wait for, where nobody has to wait.
enum Blocking {
  private static let semaphore = Semaphore(1)
  private static let mutex = Mutex<Int>(0)
  private static let rwLock = RWLock<Int>(0)

  static var all: [Benchmark] {
    [
      benchmark("mutex-pair") { mutex.withLock { _ in benchmark_barrier() } },
      benchmark("semaphore-pair") {
        semaphore.wait()
        semaphore.signal()
      },
      benchmark("rwlock-read-pair") { rwLock.withReadLock { _ in benchmark_barrier() } },
      benchmark("rwlock-write-pair") { rwLock.withWriteLock { _ in benchmark_barrier() } },
    ]
  }

  /// An operation, repeated by one thread.
  @inline(__always)
  private static func benchmark(
    _ name: String, _ operation: @escaping @Sendable () -> Void
  ) -> Benchmark {
    Benchmark(name, rounds: 10_000, prepare: Threads.prepare) { run in
      Threads.finish([Threads.spawn { run(operation) }])
    }
  }
}
