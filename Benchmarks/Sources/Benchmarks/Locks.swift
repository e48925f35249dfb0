import CBenchmarks
import Locking
import Machine

/// Locks that nobody else wants.
enum Locks {
  enum Threads: LockClass {
    typealias Context = ThreadOnly
    typealias Level = AddressSpaceLevel
    static var name: StaticString { "benchmark" }
  }

  enum Handlers: LockClass {
    typealias Context = InterruptSafe
    typealias Level = LogLevel
    static var name: StaticString { "benchmark, interrupt-safe" }
  }

  static let lock = SpinLock<Threads, Int>(0)
  static let interruptSafeLock = SpinLock<Handlers, Int>(0)

  static var all: [Benchmark] {
    [
      Benchmark("spin-pair", rounds: 10_000) { run in
        run { lock.withLock { _ in benchmark_barrier() } }
      },
      Benchmark("spin-irq-pair", rounds: 10_000) { run in
        run { interruptSafeLock.withLockAndInterruptsDisabled { _ in benchmark_barrier() } }
      },
    ]
  }
}
