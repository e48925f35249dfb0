import Machine

extension WaitQueue {
  /// `waitInTurn`, no longer than until `deadline`, in nanoseconds of `MonotonicClock`; `nil` is never.
  /// Returns whether the thread was woken, or needed not wait.
  @inline(__always)
  borrowing func waitInTurn(
    until deadline: UInt64?, as purpose: UInt = 0, unless mayGoOn: (inout State) -> Bool,
    whenQueued: () -> Void = {}
  ) -> Bool {
    waitInTurn(as: purpose, unless: mayGoOn, whenQueued: whenQueued)
    return true
  }
}
