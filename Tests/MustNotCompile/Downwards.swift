// expect: requires the types 'Threads.Level' (aka 'HeapLevel') and 'FrameLevel.Above' (aka 'OutputLevel') be equivalent
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

/// A lock of a lower level inside of one of a higher.
func wrong(threads: borrowing SpinLock<Threads, Int>, frames: borrowing SpinLock<Frames, Int>) {
  frames.withLockNesting { _, held in
    threads.withLock(inside: held) { $0 += 1 }
  }
}
