import CMachine
import Machine

/// One turn of a wait for another CPU. Every loop of the kernel that spins calls it on every turn.
///
/// It pauses, and where interrupts are off it does what other CPUs ask of this one at once: a CPU
/// that waits for a lock whose holder waits for this CPU would otherwise keep both waiting. Where
/// interrupts are on, the interrupt does it.
public enum SpinWait {
  /// Pauses once. Any context; what is answered takes no locks.
  @inline(__always)
  public static func turn() {
    Processor.pause()
    if !Processor.interruptsAreEnabled { apus_answer_urgent_calls() }
  }

  /// The same where it is known whether interrupts are off: with a constant `true` nothing is asked.
  ///
  /// It also keeps the waits for thread-only and for interrupt-safe locks from being the same code,
  /// which the compiler would merge, while isrcheck denies the one to interrupts and not the other.
  @inline(__always)
  static func turn(interruptsAreOff: Bool) {
    Processor.pause()
    if interruptsAreOff || !Processor.interruptsAreEnabled { apus_answer_urgent_calls() }
  }
}
