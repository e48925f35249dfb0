#if !hasFeature(Embedded)
import CMachine

/// The simulated CPU that this thread plays at the moment.
///
/// The kernel modules run on the host unchanged over this: a test's threads each take an index, or
/// an explorer plays all CPUs on one thread.
public enum Processor {
  /// This CPU's index. Tests set it once per thread before anything else.
  public static var index: Int {
    get { Int(apus_simulated_processor().pointee.index) }
    set { apus_simulated_processor().pointee.index = Int64(newValue) }
  }

  /// Lets the threads of other simulated CPUs run, since one of them is waited for. Under an
  /// explorer the CPU does not go on before something was written.
  public static func pause() {
    if isExplored { explore(.pause) } else { apus_pause() }
  }

  /// Whether simulated interrupts are delivered to this CPU.
  public static var interruptsAreEnabled: Bool {
    apus_simulated_processor().pointee.interrupts_enabled != 0
  }

  /// Holds simulated interrupts back.
  public static func disableInterrupts() {
    explore(.disableInterrupts)
    apus_simulated_processor().pointee.interrupts_enabled = 0
  }

  /// Lets simulated interrupts through: one that is pending may come before this returns.
  public static func enableInterrupts() {
    apus_simulated_processor().pointee.interrupts_enabled = 1
    explore(.enableInterrupts)
  }

  /// Counts; the host may preempt the thread all the same, as a VMM may a virtual CPU.
  public static func disablePreemption() {
    apus_simulated_processor().pointee.preemption_count += 1
  }

  /// Takes back one `disablePreemption`.
  public static func enablePreemption() {
    apus_simulated_processor().pointee.preemption_count -= 1
  }

  /// How many calls of `disablePreemption` are not taken back on this CPU.
  public static var preemptionCount: Int {
    Int(apus_simulated_processor().pointee.preemption_count)
  }

  /// Halts until the explorer delivers an interrupt. Without one there are no interrupts, and whoever
  /// waits has to look again.
  public static func waitForInterrupt() {
    if isExplored { explore(.waitForInterrupt) } else { apus_pause() }
  }

  /// Runs code of the application within a simulated interrupt.
  public static func preservingVectorState(_ body: () -> Void) { body() }
}
#endif
