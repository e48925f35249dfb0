import Locking
import Machine

/// A lock around a state for threads that many may read at once and one may change.
///
/// Who finds it taken queues, and so does everybody while others are in the queue: no reader passes a
/// writer that waits. Whoever leaves last hands the lock to the first in the queue, and if that is a
/// reader, to all readers up to the next writer. So nobody waits for ever; and a thread that reads must not
/// read again inside, since a writer may wait in between.
///
/// Not in interrupts, nor where preemption is disabled. Uncontended, a pair takes 10 instructions to read
/// and 6 to write. In POSIX terms `pthread_rwlock_t`.
public struct RWLock<State: ~Copyable>: ~Copyable {
  @usableFromInline let core = RWLockCore()
  @usableFromInline let state: LockedStorage<State>

  /// A lock around `state` that nobody has.
  @_transparent
  public init(_ state: consuming sending State) {
    self.state = LockedStorage(state)
  }

  /// Runs `body` while nobody changes the state; others may read at the same time.
  @inline(__always)
  public borrowing func withReadLock<Result: ~Copyable, Failure: Error>(
    _ body: (borrowing State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    _ = core.acquireForReading(until: .max)
    defer { core.releaseAfterReading() }
    let address = state.address
    return try body(address.pointee)
  }

  /// Runs `body` while nobody else is inside.
  @inline(__always)
  public borrowing func withWriteLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    _ = core.acquireForWriting(until: .max)
    defer { core.releaseAfterWriting() }
    let address = state.address
    return try body(&address.pointee)
  }

  /// Like `withReadLock`; returns `nil` if `deadline` passes first, in nanoseconds of `MonotonicClock`.
  @inline(__always)
  public borrowing func withReadLock<Result: ~Copyable, Failure: Error>(
    until deadline: UInt64, _ body: (borrowing State) throws(Failure) -> Result
  ) throws(Failure) -> Result? {
    guard core.acquireForReading(until: deadline) else { return nil }
    defer { core.releaseAfterReading() }
    let address = state.address
    return try body(address.pointee)
  }

  /// Like `withWriteLock`; returns `nil` if `deadline` passes first, in nanoseconds of `MonotonicClock`.
  @inline(__always)
  public borrowing func withWriteLock<Result: ~Copyable, Failure: Error>(
    until deadline: UInt64, _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result? {
    guard core.acquireForWriting(until: deadline) else { return nil }
    defer { core.releaseAfterWriting() }
    let address = state.address
    return try body(&address.pointee)
  }
}

// The state is changed by one thread at a time, and read by others only while nobody changes it.
extension RWLock: @unchecked Sendable where State: ~Copyable & Sendable {}

// What would be wrong says so.
extension RWLock where State: ~Copyable {
  /// A thread does not sleep with interrupts off.
  @available(*, unavailable, message: "a thread may not sleep with interrupts off")
  public borrowing func withReadLock<Result: ~Copyable, Failure: Error>(
    interruptsDisabled proof: borrowing InterruptsDisabled,
    _ body: (borrowing State) throws(Failure) -> Result
  ) throws(Failure) -> Result { try withReadLock(body) }

  /// A thread does not sleep with a spin lock in its hands.
  @available(*, unavailable, message: "a thread may not sleep while it holds a spin lock")
  public borrowing func withReadLock<
    Result: ~Copyable, Failure: Error, Level: LockLevel, Context: LockContext
  >(
    inside held: borrowing HeldLevels<Level, Context>,
    _ body: (borrowing State) throws(Failure) -> Result
  ) throws(Failure) -> Result { try withReadLock(body) }
}
