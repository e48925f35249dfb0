import Machine

/// A thread-only spin lock that this CPU holds until the guard is given up or goes out of scope.
///
/// For sections that no closure can span; `withLock` is the shorter way. A guard cannot be copied,
/// cannot outlive its lock and is not sent to another CPU.
public struct SpinLockGuard<Class: LockClass, State: ~Copyable>: ~Copyable, ~Escapable {
  @usableFromInline let lock: UnsafePointer<SpinLock<Class, State>>
  // Beside it, since ThreadSanitizer takes a way through the lock for a write to the lock.
  @usableFromInline let value: UnsafeMutablePointer<State>

  @inline(__always)
  @_lifetime(borrow lock)
  @usableFromInline
  init(_ lock: borrowing SpinLock<Class, State>) {
    // Atomics and raw layouts do not move while they are borrowed, which the lifetime says they are.
    self.lock = unsafe withUnsafePointer(to: lock) { $0 }
    value = lock.state.address
  }

  /// The state that the lock guards.
  @inline(__always)
  public var state: State {
    _read { yield value.pointee }
    nonmutating _modify { yield &value.pointee }
  }

  /// What may be taken inside of the lock, see `HeldLevels`.
  @inline(__always)
  public var levels: HeldLevels<Class.Level, ThreadOnly> { HeldLevels() }

  /// Gives the lock back before the end of the scope.
  @inline(__always)
  public consuming func unlock() {}

  @inline(__always)
  deinit {
    lock.pointee.core.release(Class.self)
    Processor.enablePreemption()
  }
}

extension SpinLock where Class.Context == ThreadOnly, State: ~Copyable {
  /// Takes the lock for as long as the result lives. Not in interrupts; the caller is not preempted
  /// meanwhile.
  @inline(__always)
  @_lifetime(borrow self)
  public borrowing func lock() -> SpinLockGuard<Class, State> {
    Processor.disablePreemption()
    core.acquire(Class.self)
    return SpinLockGuard(self)
  }
}
