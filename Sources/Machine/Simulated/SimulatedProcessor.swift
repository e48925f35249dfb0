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

  /// Why the running thread is to give way at the end of a simulated interrupt; 0 if it is not.
  public static var preemptionRequest: UInt64 {
    get { apus_simulated_processor().pointee.preemption_request }
    set { apus_simulated_processor().pointee.preemption_request = newValue }
  }

  /// 512 bytes of this CPU's own for the module `Locking`, zero at first. Without an explorer a
  /// thread's: tests that run side by side may use the same index.
  public static var lockingStorage: UnsafeMutableRawPointer { apus_locking_storage() }

  /// What the scheduler knows the running thread by; `nil` before there is a scheduler.
  public static var thread: UnsafeMutableRawPointer? {
    apus_simulated_processor().pointee.thread
  }

  /// Says which thread runs on this CPU from now on.
  public static func setThread(_ thread: UnsafeMutableRawPointer?) {
    apus_simulated_processor().pointee.thread = thread
  }

  /// Whether this CPU is inside of a simulated interrupt.
  public static var isInInterrupt: Bool { apus_simulated_processor().pointee.interrupt_depth != 0 }

  /// Runs `body` as a part of an interrupt: until it is through, `isInInterrupt`.
  public static func withInterruptMarked(_ body: () -> Void) {
    apus_simulated_processor().pointee.interrupt_depth += 1
    body()
    apus_simulated_processor().pointee.interrupt_depth -= 1
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
