import Machine
import Tracing

/// A reader-writer spin lock without its state and the rules of its class.
///
/// One word: the number of readers, a bit for a writer that is inside, and a bit for one that waits
/// for the readers to leave. Who has to wait takes the queue's lock first, so at most one CPU at a
/// time waits for the word, and it is the one that came first.
@usableFromInline
struct RWSpinLockCore: ~Copyable, Sendable {
  @usableFromInline let word = Atomic<UInt32>(0)
  private let isQueueLocked = Atomic<UInt32>(0)
  private let queue = SpinLockQueue()

  @usableFromInline static let writer: UInt32 = 1 << 31
  private static let waitingWriter: UInt32 = 1 << 30

  @_transparent
  @usableFromInline
  init() {}

  /// Uncontended: one addition.
  @inline(__always)
  @usableFromInline
  borrowing func acquireToRead<Class: LockClass>(_: Class.Type) {
    takeLock(Class.self, at: address) {
      // Acquire pairs with the release of the last writer.
      word.wrappingAdd(1, ordering: .acquiring).oldValue < Self.waitingWriter
    } orWait: {
      if Class.Context.isInterruptSafe {
        Locking.readWithInterruptsOff(self)
      } else {
        Locking.readInThread(self)
      }
    }
  }

  /// One subtraction. Release pairs with the acquire of the next writer, which may write over what was
  /// read here.
  @inline(__always)
  @usableFromInline
  borrowing func releaseFromReading<Class: LockClass>(_: Class.Type) {
    #if CHECKED
    HeldLocks.willRelease(address, LockIdentity(Class.self))
    #endif
    word.wrappingSubtract(1, ordering: .releasing)
  }

  /// Uncontended: one compare-and-swap.
  @inline(__always)
  @usableFromInline
  borrowing func acquireToWrite<Class: LockClass>(_: Class.Type) {
    takeLock(Class.self, at: address) {
      word.compareExchange(expected: 0, desired: Self.writer, ordering: .acquiring).exchanged
    } orWait: {
      if Class.Context.isInterruptSafe {
        Locking.writeWithInterruptsOff(self)
      } else {
        Locking.writeInThread(self)
      }
    }
  }

  /// One subtraction: readers that could not enter, and a writer that waits, may have left their
  /// marks in the word meanwhile.
  @inline(__always)
  @usableFromInline
  borrowing func releaseFromWriting<Class: LockClass>(_: Class.Type) {
    #if CHECKED
    HeldLocks.willRelease(address, LockIdentity(Class.self))
    #endif
    word.wrappingSubtract(Self.writer, ordering: .releasing)
  }

  /// See `SpinLockCore.address`.
  @usableFromInline
  var address: UInt { withUnsafePointer(to: word) { UInt(bitPattern: $0) } }

  /// Takes back the count that was too early, and counts again at the head of the queue.
  @inline(__always)
  fileprivate borrowing func waitToRead(interruptsAreOff: Bool) {
    word.wrappingSubtract(1, ordering: .relaxed)
    queue.wait(for: isQueueLocked, interruptsAreOff: interruptsAreOff)
    word.wrappingAdd(1, ordering: .relaxed)
    // No writer waits, since it would be at the head of the queue. Acquire as in `acquireToRead`.
    while word.load(ordering: .acquiring) & Self.writer != 0 {
      SpinWait.turn(interruptsAreOff: interruptsAreOff)
    }
    isQueueLocked.store(0, ordering: .releasing)
  }

  /// Keeps new readers out and waits for those inside.
  @inline(__always)
  fileprivate borrowing func waitToWrite(interruptsAreOff: Bool) {
    queue.wait(for: isQueueLocked, interruptsAreOff: interruptsAreOff)
    word.wrappingAdd(Self.waitingWriter, ordering: .relaxed)
    // Acquire pairs with the releases of the readers and the last writer.
    while word.load(ordering: .relaxed) != Self.waitingWriter
      || !word.compareExchange(
        expected: Self.waitingWriter, desired: Self.writer, ordering: .acquiring
      ).exchanged
    {
      SpinWait.turn(interruptsAreOff: interruptsAreOff)
    }
    isQueueLocked.store(0, ordering: .releasing)
  }
}

/// Waits to read by a thread-only lock.
@_silgen_name("apus_read_in_thread")
@inline(never)
@usableFromInline
func readInThread(_ core: borrowing RWSpinLockCore) {
  let start = Trace.begin()
  core.waitToRead(interruptsAreOff: false)
  Trace.record(.lockWait, since: start, UInt64(core.address))
}

/// Waits to read by an interrupt-safe lock.
@_silgen_name("apus_read_with_interrupts_off")
@inline(never)
@usableFromInline
func readWithInterruptsOff(_ core: borrowing RWSpinLockCore) {
  let start = Trace.begin()
  core.waitToRead(interruptsAreOff: true)
  Trace.record(.lockWait, since: start, UInt64(core.address))
}

/// Waits to write by a thread-only lock.
@_silgen_name("apus_write_in_thread")
@inline(never)
@usableFromInline
func writeInThread(_ core: borrowing RWSpinLockCore) {
  let start = Trace.begin()
  core.waitToWrite(interruptsAreOff: false)
  Trace.record(.lockWait, since: start, UInt64(core.address))
}

/// Waits to write by an interrupt-safe lock.
@_silgen_name("apus_write_with_interrupts_off")
@inline(never)
@usableFromInline
func writeWithInterruptsOff(_ core: borrowing RWSpinLockCore) {
  let start = Trace.begin()
  core.waitToWrite(interruptsAreOff: true)
  Trace.record(.lockWait, since: start, UInt64(core.address))
}
