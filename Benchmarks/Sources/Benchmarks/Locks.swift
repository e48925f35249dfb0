import CBenchmarks
import Locking
import Machine

/// Locks that nobody else wants.
enum Locks {
  static let lock = SpinLock(0)

  static var all: [Benchmark] {
    [
      Benchmark("spin-pair", rounds: 10_000) { run in
        run { lock.withLock { _ in benchmark_barrier() } }
      },
      Benchmark("spin-irq-pair", rounds: 10_000) { run in
        run { lock.withLockAndInterruptsDisabled { _ in benchmark_barrier() } }
      },
    ]
  }
}
