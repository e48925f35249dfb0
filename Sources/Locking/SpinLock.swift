import Machine

/// A lock that spins, around the state that it guards; its type says by `Class` when it may be taken.
///
/// Nothing may sleep or wait for another CPU while it is held. The holder is not preempted. A class
/// that is `ThreadOnly` offers `withLock` and `lock` alone; one that is `InterruptSafe` only forms
/// that turn interrupts off or demand the proof that they are off. Inside another lock, the forms with
/// `inside:` leave the order of the two to the compiler; checked builds check it everywhere, and
/// that a lock is not taken twice, nor a thread-only one in an interrupt.
///
/// Who waits is served in turn, but for CPUs that do not run: see `SpinLockQueue`.
///
/// Uncontended, lock and unlock take 11 instructions, with interrupts turned off 15.
/// In Linux terms `withLock` is `spin_lock` and the other form `spin_lock_irqsave`.
public struct SpinLock<Class: LockClass, State: ~Copyable>: ~Copyable {
  @usableFromInline let core = SpinLockCore()
  @usableFromInline let state: LockedStorage<State>

  /// Creates an unlocked lock around `state`. With a state of plain numbers and pointers, a
  /// global lock is filled in at compile time.
  @_transparent
  public init(_ state: consuming sending State) {
    self.state = LockedStorage(state)
  }

  /// Runs `body` inside the lock; what keeps others away from this CPU is the caller's part.
  @inline(__always)
  @usableFromInline
  borrowing func run<Result: ~Copyable, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    core.acquire(Class.self)
    defer { core.release(Class.self) }
    // A constant of its own: ThreadSanitizer takes the whole expression for a write to the lock.
    let address = state.address
    return try body(&address.pointee)
  }
}

extension SpinLock where State: ~Copyable {
  /// The state, past the lock: for a report when all other CPUs have been stopped, perhaps with the lock in
  /// their hands.
  package var stateWithoutLock: UnsafeMutablePointer<State> { state.address }
}

// The state is only reached by one CPU at a time.
extension SpinLock: @unchecked Sendable where State: ~Copyable {}

extension SpinLock where Class.Context == ThreadOnly, State: ~Copyable {
  /// Runs `body` while no other CPU is inside. Not in interrupts. At most 12 instructions.
  @inline(__always)
  public borrowing func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    Processor.disablePreemption()
    defer { Processor.enablePreemption() }
    return try run(body)
  }

  /// The same; `body` may take locks of higher levels by what it is given.
  @inline(__always)
  public borrowing func withLockNesting<Result: ~Copyable, Failure: Error>(
    _ body: (inout State, borrowing HeldLevels<Class.Level, ThreadOnly>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try withLock { state throws(Failure) in try body(&state, HeldLevels()) }
  }

  /// `withLock` inside of other locks, all of which are of lower levels.
  @inline(__always)
  public borrowing func withLock<Result: ~Copyable, Failure: Error, Outer: LockLevel>(
    inside held: borrowing HeldLevels<Outer, ThreadOnly>,
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result where Outer.Above == Class.Level {
    // The lock outside keeps the CPU from being preempted.
    try run(body)
  }

  /// `withLock` inside of other locks, all of which are of lower levels, with a body that may take
  /// locks of still higher ones.
  @inline(__always)
  public borrowing func withLockNesting<Result: ~Copyable, Failure: Error, Outer: LockLevel>(
    inside held: borrowing HeldLevels<Outer, ThreadOnly>,
    _ body: (inout State, borrowing HeldLevels<Class.Level, ThreadOnly>) throws(Failure) -> Result
  ) throws(Failure) -> Result where Outer.Above == Class.Level {
    try run { state throws(Failure) in try body(&state, HeldLevels()) }
  }
}

extension SpinLock where Class.Context == FaultSafe, State: ~Copyable {
  /// Runs `body` while no other CPU is inside. Not in interrupts, and in a page fault only if it did not
  /// interrupt the holder. At most 12 instructions.
  @inline(__always)
  public borrowing func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    Processor.disablePreemption()
    defer { Processor.enablePreemption() }
    return try run(body)
  }
}

extension SpinLock where Class.Context == InterruptSafe, State: ~Copyable {
  /// Runs `body` while no other CPU is inside, with interrupts off on this CPU from before to after.
  /// Any context. At most 16 instructions.
  @inline(__always)
  public borrowing func withLockAndInterruptsDisabled<Result: ~Copyable, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try Processor.withInterruptsDisabled { () throws(Failure) in try run(body) }
  }

  /// The same; `body` may take locks of higher levels by what it is given.
  @inline(__always)
  public borrowing func withLockNestingAndInterruptsDisabled<Result: ~Copyable, Failure: Error>(
    _ body: (inout State, borrowing HeldLevels<Class.Level, InterruptSafe>)
      throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try withLockAndInterruptsDisabled { state throws(Failure) in try body(&state, HeldLevels()) }
  }

  /// The same inside of thread-only locks, all of which are of lower levels.
  @inline(__always)
  public borrowing func withLockAndInterruptsDisabled<
    Result: ~Copyable, Failure: Error, Outer: LockLevel
  >(
    inside held: borrowing HeldLevels<Outer, ThreadOnly>,
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result where Outer.Above == Class.Level {
    try withLockAndInterruptsDisabled(body)
  }

  /// Runs `body` while no other CPU is inside, where interrupts are off already.
  @inline(__always)
  public borrowing func withLock<Result: ~Copyable, Failure: Error>(
    interruptsDisabled proof: borrowing InterruptsDisabled,
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try run(body)
  }

  /// Runs `body` inside of other interrupt-safe locks, all of which are of lower levels.
  @inline(__always)
  public borrowing func withLock<Result: ~Copyable, Failure: Error, Outer: LockLevel>(
    inside held: borrowing HeldLevels<Outer, InterruptSafe>,
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result where Outer.Above == Class.Level {
    try run(body)
  }
}
