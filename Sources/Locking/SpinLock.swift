import Machine

/// A lock that spins, around the state that it guards.
///
/// Not first come, first served: where there are more virtual CPUs than real ones, the CPU whose
/// turn it is may not be running, and all others would wait for the host to run it. But who comes
/// while others wait lets them try first, so that a CPU that takes the lock in a loop starves
/// nobody. Modelled in `Models/SpinLock.pml`.
///
/// Nothing may sleep or wait for another CPU while it is held. State that an interrupt handler
/// also uses must be taken with `withLockAndInterruptsDisabled` everywhere outside the handler, or
/// the handler would wait for the very code that it interrupted.
///
/// In Linux terms `withLock` is `raw_spin_lock` and the other one `raw_spin_lock_irqsave`.
public struct SpinLock<State: ~Copyable>: ~Copyable {
  @usableFromInline let isLocked = Atomic<UInt32>(0)
  /// How many CPUs wait.
  @usableFromInline let waiting = Atomic<UInt32>(0)
  @usableFromInline let state: LockedStorage<State>

  /// Creates an unlocked lock around `state`. With a state of plain numbers and pointers, a
  /// global lock is filled in at compile time.
  @_transparent
  public init(_ state: consuming sending State) {
    self.state = LockedStorage(state)
  }

  /// Runs `body` while no other CPU is inside. Uncontended: one load, one exchange, one store.
  @inline(__always)
  public borrowing func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // Acquire pairs with the release below: what the last holder wrote is seen.
    if waiting.load(ordering: .relaxed) != 0 || isLocked.exchange(1, ordering: .acquiring) != 0 {
      waitAndLock()
    }
    defer { isLocked.store(0, ordering: .releasing) }
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

  /// Gives those who wait a head start, then waits itself: by reading, so that the lock's line is
  /// not taken from the holder at every turn.
  @inline(never)
  @usableFromInline
  borrowing func waitAndLock() {
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

// The state is only reached by one CPU at a time.
extension SpinLock: @unchecked Sendable where State: ~Copyable {}
