// expect: requires the types 'Threads.Level' (aka 'HeapLevel') and 'HeapLevel.Above' (aka 'FrameLevel') be equivalent
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

/// Two locks of one level.
func wrong(one: borrowing SpinLock<Threads, Int>, other: borrowing SpinLock<Threads, Int>) {
  one.withLockNesting { _, held in
    other.withLock(inside: held) { $0 += 1 }
  }
}
