// expect: requires the types 'Threads.Context' (aka 'ThreadOnly') and 'InterruptSafe' be equivalent
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

/// A thread-only sequence lock that is written with interrupts off.
func wrong(sequence: borrowing SeqLock<Threads, UInt64>) {
  sequence.writeWithInterruptsDisabled { $0 += 1 }
}
