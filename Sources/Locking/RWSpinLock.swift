import Machine

/// A spin lock that several readers hold at once, or one writer alone.
///
/// The rules of `SpinLock` hold: the class says where it may be taken, and nothing sleeps in it. Who
/// finds it taken waits in a queue, readers and writers in the order in which they came; so neither
/// starves. A reader that finds no writer enters by one addition, which writes the lock's line: for
/// what is read very often there are `SeqLock` and `Epoch`. A CPU must not read twice at once, since a
/// writer may have come in between; checked builds trap. Modelled in `Models/RWSpinLock.pml`.
public struct RWSpinLock<Class: LockClass, State: ~Copyable>: ~Copyable {
  @usableFromInline let core = RWSpinLockCore()
  @usableFromInline let state: LockedStorage<State>

  /// Creates an unlocked lock around `state`; a global one is filled in at compile time as with
  /// `SpinLock`.
  @_transparent
  public init(_ state: consuming sending State) {
    self.state = LockedStorage(state)
  }

  @inline(__always)
  @usableFromInline
  borrowing func read<Result: ~Copyable, Failure: Error>(
    _ body: (borrowing State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    core.acquireToRead(Class.self)
    defer { core.releaseFromReading(Class.self) }
    let address = state.address
    return try body(address.pointee)
  }

  @inline(__always)
  @usableFromInline
  borrowing func write<Result: ~Copyable, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    core.acquireToWrite(Class.self)
    defer { core.releaseFromWriting(Class.self) }
    let address = state.address
    return try body(&address.pointee)
  }
}

// Only read by several CPUs at a time, or changed by one.
extension RWSpinLock: @unchecked Sendable where State: ~Copyable {}

extension RWSpinLock where Class.Context == ThreadOnly, State: ~Copyable {
  /// Runs `body` while nobody writes. Not in interrupts; the holder is not preempted.
  @inline(__always)
  public borrowing func withReadLock<Result: ~Copyable, Failure: Error>(
    _ body: (borrowing State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try Processor.withPreemptionDisabled { () throws(Failure) in try read(body) }
  }

  /// Runs `body` while nobody else is inside. Not in interrupts; the holder is not preempted.
  @inline(__always)
  public borrowing func withWriteLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try Processor.withPreemptionDisabled { () throws(Failure) in try write(body) }
  }

  /// `withReadLock` inside of other locks, all of which are of lower levels.
  @inline(__always)
  public borrowing func withReadLock<Result: ~Copyable, Failure: Error, Outer: LockLevel>(
    inside held: borrowing HeldLevels<Outer, ThreadOnly>,
    _ body: (borrowing State) throws(Failure) -> Result
  ) throws(Failure) -> Result where Outer.Above == Class.Level {
    try read(body)
  }

  /// `withWriteLock` inside of other locks, all of which are of lower levels.
  @inline(__always)
  public borrowing func withWriteLock<Result: ~Copyable, Failure: Error, Outer: LockLevel>(
    inside held: borrowing HeldLevels<Outer, ThreadOnly>,
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result where Outer.Above == Class.Level {
    try write(body)
  }
}

extension RWSpinLock where Class.Context == InterruptSafe, State: ~Copyable {
  /// Runs `body` while nobody writes, with interrupts off. Any context.
  @inline(__always)
  public borrowing func withReadLockAndInterruptsDisabled<Result: ~Copyable, Failure: Error>(
    _ body: (borrowing State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try Processor.withInterruptsDisabled { () throws(Failure) in try read(body) }
  }

  /// Runs `body` while nobody else is inside, with interrupts off. Any context.
  @inline(__always)
  public borrowing func withWriteLockAndInterruptsDisabled<Result: ~Copyable, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try Processor.withInterruptsDisabled { () throws(Failure) in try write(body) }
  }

  /// Runs `body` while nobody writes, where interrupts are off already.
  @inline(__always)
  public borrowing func withReadLock<Result: ~Copyable, Failure: Error>(
    interruptsDisabled proof: borrowing InterruptsDisabled,
    _ body: (borrowing State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try read(body)
  }

  /// Runs `body` while nobody else is inside, where interrupts are off already.
  @inline(__always)
  public borrowing func withWriteLock<Result: ~Copyable, Failure: Error>(
    interruptsDisabled proof: borrowing InterruptsDisabled,
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try write(body)
  }
}
