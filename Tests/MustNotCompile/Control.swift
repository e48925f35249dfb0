// expect: nothing
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

func allowed(
  threads: borrowing SpinLock<Threads, Int>, handlers: borrowing SpinLock<Handlers, Int>,
  frames: borrowing SpinLock<Frames, Int>, shared: borrowing RWSpinLock<Handlers, Int>,
  sequence: borrowing SeqLock<Threads, UInt64>
) {
  threads.withLock { $0 += 1 }
  handlers.withLockAndInterruptsDisabled { $0 += 1 }
  Processor.withInterruptsDisabledProof { proof in
    handlers.withLock(interruptsDisabled: proof) { $0 += 1 }
    shared.withReadLock(interruptsDisabled: proof) { _ = $0 }
  }
  threads.withLockNesting { _, held in
    frames.withLock(inside: held) { $0 += 1 }
    handlers.withLockAndInterruptsDisabled(inside: held.weakened.weakened) { $0 += 1 }
  }
  let guarded = threads.lock()
  guarded.state += 1
  guarded.unlock()
  sequence.write { $0 += 1 }
}
