// expect: 'InterruptsDisabled' initializer is inaccessible due to 'internal' protection level
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

/// A proof that nobody gave.
func wrong(handlers: borrowing SpinLock<Handlers, Int>) {
  handlers.withLock(interruptsDisabled: InterruptsDisabled()) { $0 += 1 }
}
