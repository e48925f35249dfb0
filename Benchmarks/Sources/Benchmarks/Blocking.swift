import CBenchmarks
import Machine
import Scheduler

/// What threads wait for, where nobody has to wait.
enum Blocking {
  private static let semaphore = Semaphore(1)
  private static let mutex = Mutex<Int>(0)
  private static let rwLock = RWLock<Int>(0)
  private static let local = ThreadLocal { 0 }

  static var all: [Benchmark] {
    [
      Benchmark("mutex-pair", rounds: 10_000, prepare: Threads.prepare) { run in
        inThread { run { mutex.withLock { _ in benchmark_barrier() } } }
      },
      Benchmark("semaphore-pair", rounds: 10_000, prepare: Threads.prepare) { run in
        inThread {
          run {
            semaphore.wait()
            semaphore.signal()
          }
        }
      },
      Benchmark("rwlock-read-pair", rounds: 10_000, prepare: Threads.prepare) { run in
        inThread { run { rwLock.withReadLock { _ in benchmark_barrier() } } }
      },
      Benchmark("rwlock-write-pair", rounds: 10_000, prepare: Threads.prepare) { run in
        inThread { run { rwLock.withWriteLock { _ in benchmark_barrier() } } }
      },
      Benchmark("thread-local", rounds: 10_000, prepare: Threads.prepare) { run in
        inThread {
          local.value = 1
          run { local.value &+= 1 }
        }
      },
    ]
  }

  private static func inThread(_ body: @escaping @Sendable () -> Void) {
    Threads.finish([Threads.spawn(body)])
  }
}
