import Machine

/// A spin lock without the state that it guards, and without the rules of its class.
@usableFromInline
struct SpinLockCore: ~Copyable, Sendable {
  @usableFromInline let isLocked = Atomic<UInt32>(0)
  /// How many CPUs wait.
  @usableFromInline let waiting = Atomic<UInt32>(0)

  @_transparent
  @usableFromInline
  init() {}

  /// Takes the lock. Uncontended: a load, an exchange.
  @inline(__always)
  @usableFromInline
  borrowing func acquire<Class: LockClass>(_: Class.Type) {
    #if CHECKED
    HeldLocks.willAcquire(address, LockIdentity(Class.self))
    #endif
    // Acquire pairs with the release in `release`: what the last holder wrote is seen.
    if waiting.load(ordering: .relaxed) != 0 || isLocked.exchange(1, ordering: .acquiring) != 0 {
      // Two functions, so that isrcheck can tell them apart: the first one is never to be reached
      // from an interrupt (`interrupts.policy`).
      if Class.Context.isInterruptSafe { waitWithInterruptsOff() } else { waitInThread() }
    }
    #if CHECKED
    HeldLocks.didAcquire(address, LockIdentity(Class.self))
    #endif
  }

  /// Gives the lock back: one store.
  @inline(__always)
  @usableFromInline
  borrowing func release<Class: LockClass>(_: Class.Type) {
    #if CHECKED
    HeldLocks.willRelease(address, LockIdentity(Class.self))
    #endif
    isLocked.store(0, ordering: .releasing)
  }

  /// What tells this lock from others in the records of checked builds. Atomics do not move while
  /// they are borrowed.
  @usableFromInline
  var address: UInt { withUnsafePointer(to: isLocked) { UInt(bitPattern: $0) } }

  /// Waits for a thread-only lock and takes it.
  @inline(never)
  @usableFromInline
  borrowing func waitInThread() { waitAndLock() }

  /// Waits for an interrupt-safe lock and takes it.
  @inline(never)
  @usableFromInline
  borrowing func waitWithInterruptsOff() { waitAndLock() }

  /// Gives those who wait a head start, then waits itself: by reading, so that the lock's line is
  /// not taken from the holder at every turn.
  @inline(__always)
  private borrowing func waitAndLock() {
    for _ in 0..<64 {
      if waiting.load(ordering: .relaxed) == 0 { break }
      Processor.pause()
    }
    waiting.wrappingAdd(1, ordering: .relaxed)
    repeat {
      while isLocked.load(ordering: .relaxed) != 0 { Processor.pause() }
    } while isLocked.exchange(1, ordering: .acquiring) != 0
    waiting.wrappingSubtract(1, ordering: .relaxed)
  }
}
