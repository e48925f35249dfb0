// expect: cannot convert value of type 'HeldLevels<Handlers.Level, InterruptSafe>'
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

enum Late: LockClass {
  typealias Context = ThreadOnly
  typealias Level = NoLevel
  static var name: StaticString { "late" }
}

/// A thread-only lock inside of an interrupt-safe one.
func wrong(handlers: borrowing SpinLock<Handlers, Int>, late: borrowing SpinLock<Late, Int>) {
  handlers.withLockNestingAndInterruptsDisabled { _, held in
    late.withLock(inside: held) { $0 += 1 }
  }
}
