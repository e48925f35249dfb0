// expect: lifetime-dependent value
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

/// A guard of a lock that is gone.
@_lifetime(immortal)
func wrong() -> SpinLockGuard<Threads, Int> {
  let threads = SpinLock<Threads, Int>(0)
  return threads.lock()
}
