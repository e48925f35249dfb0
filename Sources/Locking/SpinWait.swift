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
}
