// expect: result of call to 'lock()' is unused
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

/// A lock that is taken for no time at all.
func wrong(threads: borrowing SpinLock<Threads, Int>) {
  threads.lock()
}
