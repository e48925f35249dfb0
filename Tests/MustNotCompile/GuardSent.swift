// expect: capture of 'guarded' with non-Sendable type 'SpinLockGuard<Threads, Int>' in a '@Sendable' closure
import Locking
import Machine

enum Threads: LockClass {
  typealias Context = ThreadOnly
  typealias Level = HeapLevel
  static var name: StaticString { "threads" }
}

enum Handlers: LockClass {
  typealias Context = InterruptSafe
  typealias Level = LogLevel
  static var name: StaticString { "handlers" }
}

enum Frames: LockClass {
  typealias Context = ThreadOnly
  typealias Level = FrameLevel
  static var name: StaticString { "frames" }
}

/// A lock that is given back by another CPU.
func send(_ body: @escaping @Sendable () -> Void) {}

func wrong(threads: borrowing SpinLock<Threads, Int>) {
  let guarded = threads.lock()
  send { guarded.state += 1 }
}
