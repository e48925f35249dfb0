import Machine

/// Waiting for a moment.
public enum Sleep {
  /// Halts this CPU until `deadline` (nanoseconds of `MonotonicClock`); it still does the work that
  /// others ask of it, which may make it late. With interrupts on only.
  public static func until(_ deadline: UInt64) {
    CPUWork.wait {
      if MonotonicClock.nanoseconds >= deadline { return true }
      // Anew at every turn: work done meanwhile may have used this CPU's timer for itself.
      OneShotTimer.arm(at: deadline)
      return false
    }
  }
}
