import Machine

/// Holding a lock from one stack to another: whoever leaves a stack takes it, and whoever goes on with
/// the next one gives it back. Only the switch of threads needs this.
extension SpinLock where Class.Context == InterruptSafe, State: ~Copyable {
  /// Takes the lock, until `release` on the same CPU; interrupts stay off until then. Returns the state,
  /// which is the caller's until the release.
  @inline(__always)
  package borrowing func acquire(
    _ proof: borrowing InterruptsDisabled
  ) -> UnsafeMutablePointer<State> {
    core.acquire(Class.self)
    return state.address
  }

  /// The state, for who holds the lock by `acquire`.
  @inline(__always)
  package borrowing func holderState(
    _ proof: borrowing InterruptsDisabled
  ) -> UnsafeMutablePointer<State> {
    state.address
  }

  /// Gives back what `acquire` took on this CPU.
  @inline(__always)
  package borrowing func release(_ proof: borrowing InterruptsDisabled) {
    core.release(Class.self)
  }
}
