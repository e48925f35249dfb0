// expect: 'proof' is borrowed and cannot be consumed
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

/// The proof that interrupts are off, kept for later.
func wrong() -> InterruptsDisabled {
  Processor.withInterruptsDisabledProof { proof in proof }
}
