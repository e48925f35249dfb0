import Locking
import Machine

/// A lock around a state for threads: whoever finds it taken waits, while the owner runs on another CPU
/// by looking at it, and otherwise by giving way to other threads.
///
/// The owner may sleep and be preempted. Not in interrupts, nor where preemption is disabled: the
/// forms that demand a proof of either do not exist, and checked builds end where one is taken there. It
/// must not be taken by its owner again. A mutex exists until all calls on it have returned.
///
/// Uncontended, lock and unlock take 9 instructions.
/// In POSIX terms `withLock` is `pthread_mutex_lock` and `pthread_mutex_unlock`.
public struct Mutex<State: ~Copyable>: ~Copyable {
  @usableFromInline let core = MutexCore()
  @usableFromInline let state: LockedStorage<State>

  /// An unlocked mutex around `state`.
  @_transparent
  public init(_ state: consuming sending State) {
    self.state = LockedStorage(state)
  }

  /// Runs `body` while no other thread is inside.
  @inline(__always)
  public borrowing func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let own = core.acquire()
    defer { core.release(own) }
    // A constant of its own: ThreadSanitizer takes the whole expression for a write to the mutex.
    let address = state.address
    return try body(&address.pointee)
  }

  /// Runs `body` while no other thread is inside, if nobody has the mutex; otherwise returns `nil`.
  @inline(__always)
  public borrowing func withLockIfAvailable<Result: ~Copyable, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result? {
    guard let own = core.tryAcquire() else { return nil }
    defer { core.release(own) }
    let address = state.address
    return try body(&address.pointee)
  }

  /// Runs `body` while no other thread is inside; returns `nil` if `deadline`, in nanoseconds of
  /// `MonotonicClock`, passes first.
  @inline(__always)
  public borrowing func withLock<Result: ~Copyable, Failure: Error>(
    until deadline: UInt64, _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result? {
    guard let own = core.acquire(until: deadline) else { return nil }
    defer { core.release(own) }
    let address = state.address
    return try body(&address.pointee)
  }

  /// `withLock` for a body that waits for a `Condition` inside, and reaches the state by what it is given.
  ///
  ///     orders.withGuard { guarded in
  ///       while guarded.state.isEmpty { changed.wait(guarded) }
  ///       return guarded.state.removeFirst()
  ///     }
  @inline(__always)
  public borrowing func withGuard<Result: ~Copyable, Failure: Error>(
    _ body: (borrowing MutexGuard<State>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let guarded = lock()
    return try body(guarded)
  }

  /// Takes the mutex for as long as the result lives. For a mutex that is a global or local constant: one
  /// that is a part of an object has `withGuard`.
  @inline(__always)
  @_lifetime(borrow self)
  public borrowing func lock() -> MutexGuard<State> {
    MutexGuard(self, owner: core.acquire())
  }
}

// The state is only reached by one thread at a time.
extension Mutex: @unchecked Sendable where State: ~Copyable {}

// What would be wrong says so.
extension Mutex where State: ~Copyable {
  /// A thread does not sleep with interrupts off.
  @available(*, unavailable, message: "a thread may not sleep with interrupts off")
  public borrowing func withLock<Result: ~Copyable, Failure: Error>(
    interruptsDisabled proof: borrowing InterruptsDisabled,
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result { try withLock(body) }

  /// A handler does not sleep.
  @available(*, unavailable, message: "an interrupt's handler may not sleep")
  public borrowing func withLock<Result: ~Copyable, Failure: Error>(
    from context: borrowing InterruptContext,
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result { try withLock(body) }

  /// A thread does not sleep with a spin lock in its hands.
  @available(*, unavailable, message: "a thread may not sleep while it holds a spin lock")
  public borrowing func withLock<
    Result: ~Copyable, Failure: Error, Level: LockLevel, Context: LockContext
  >(
    inside held: borrowing HeldLevels<Level, Context>,
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result { try withLock(body) }
}

/// A mutex that the thread has, until the guard is given up or goes out of scope.
///
/// For `Condition`, and for sections that no closure can span. It cannot be copied, outlive its mutex, or
/// be sent to another thread.
public struct MutexGuard<State: ~Copyable>: ~Copyable, ~Escapable {
  @usableFromInline let core: UnsafePointer<MutexCore>
  @usableFromInline let value: UnsafeMutablePointer<State>
  @usableFromInline let owner: UInt64

  @inline(__always)
  @_lifetime(borrow mutex)
  @usableFromInline
  init(_ mutex: borrowing Mutex<State>, owner: UInt64) {
    // Atomics and raw layouts do not move while they are borrowed, which the lifetime says they are.
    core = unsafe withUnsafePointer(to: mutex.core) { $0 }
    value = mutex.state.address
    self.owner = owner
  }

  /// The state that the mutex guards.
  @inline(__always)
  public var state: State {
    _read { yield value.pointee }
    nonmutating _modify { yield &value.pointee }
  }

  /// Gives the mutex back before the end of the scope.
  @inline(__always)
  public consuming func unlock() {}

  @inline(__always)
  deinit { core.pointee.release(owner) }
}
