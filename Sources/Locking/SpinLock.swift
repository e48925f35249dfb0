import Machine

/// A lock that spins, around the state that it guards; whoever asks first gets it first.
///
/// A ticket lock: a CPU draws a number and waits until it is served. Modelled in
/// `Models/SpinLock.pml`.
///
/// Nothing may sleep or wait for another CPU while it is held. State that an interrupt handler
/// also uses must be taken with `withLockAndInterruptsDisabled` everywhere outside the handler, or
/// the handler would wait for the very code that it interrupted.
///
/// In Linux terms `withLock` is `raw_spin_lock` and the other one `raw_spin_lock_irqsave`.
public struct SpinLock<State: ~Copyable>: ~Copyable {
  /// The next number to be drawn, and the one that is served.
  @usableFromInline let next = Atomic<UInt32>(0)
  @usableFromInline let serving = Atomic<UInt32>(0)
  @usableFromInline let state: LockedStorage<State>

  /// Creates an unlocked lock around `state`. With a state of plain numbers and pointers, a
  /// global lock is filled in at compile time.
  @_transparent
  public init(_ state: consuming sending State) {
    self.state = LockedStorage(state)
  }

  /// Runs `body` while no other CPU is inside. Uncontended: one addition, one load, one store.
  @inline(__always)
  public borrowing func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let ticket = next.wrappingAdd(1, ordering: .relaxed).oldValue
    // Acquire pairs with the release below: what the last holder wrote is seen.
    if serving.load(ordering: .acquiring) != ticket { wait(for: ticket) }
    defer { serving.store(ticket &+ 1, ordering: .releasing) }
    // A constant of its own: ThreadSanitizer takes the whole expression for a write to the lock.
    let address = state.address
    return try body(&address.pointee)
  }

  /// Like `withLock`, with interrupts off on this CPU from before to after.
  @inline(__always)
  public borrowing func withLockAndInterruptsDisabled<Result: ~Copyable, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let wereEnabled = Processor.interruptsAreEnabled
    Processor.disableInterrupts()
    defer { if wereEnabled { Processor.enableInterrupts() } }
    return try withLock(body)
  }

  @inline(never)
  @usableFromInline
  borrowing func wait(for ticket: UInt32) {
    while serving.load(ordering: .acquiring) != ticket { Processor.pause() }
  }
}

// The state is only reached by one CPU at a time.
extension SpinLock: @unchecked Sendable where State: ~Copyable {}
