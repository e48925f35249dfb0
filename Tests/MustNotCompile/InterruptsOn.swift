// expect: requires the types 'Handlers.Context' (aka 'InterruptSafe') and 'ThreadOnly' be equivalent
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

/// An interrupt-safe lock with interrupts on.
func wrong(handlers: borrowing SpinLock<Handlers, Int>) {
  let guarded = handlers.lock()
  guarded.unlock()
}
