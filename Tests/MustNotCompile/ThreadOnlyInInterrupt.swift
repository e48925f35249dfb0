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

/// A thread-only lock by what a handler has in its hands.
func wrong(threads: borrowing SpinLock<Threads, Int>, proof: borrowing InterruptsDisabled) {
  threads.withLock(interruptsDisabled: proof) { $0 += 1 }
}
