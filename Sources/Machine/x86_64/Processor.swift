#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// The CPU that executes the call.
public enum Processor {
  /// This CPU's index: dense, 0 is the CPU that booted. One load.
  @inline(__always)
  public static var index: Int { Int(truncatingIfNeeded: apus_gs_index()) }

  /// Tells the CPU (and a VMM) that this is a spin loop. Every spin calls it on every turn: under
  /// QEMU's `-icount` a loop without it never lets another CPU run.
  @inline(__always)
  public static func pause() { apus_pause() }

  /// Whether interrupts are delivered to this CPU.
  @inline(__always)
  public static var interruptsAreEnabled: Bool { apus_read_flags() & 0x200 != 0 }

  /// Holds interrupts back on this CPU.
  @inline(__always)
  public static func disableInterrupts() { apus_cli() }

  /// Lets interrupts through on this CPU.
  @inline(__always)
  public static func enableInterrupts() { apus_sti() }

  /// Keeps the running thread on this CPU, and others off it, until the matching
  /// `enablePreemption`; the two nest. Interrupts still come. One instruction. Any context.
  @inline(__always)
  public static func disablePreemption() { apus_gs_disable_preemption() }

  /// Takes back one `disablePreemption`. One instruction. Any context.
  @inline(__always)
  public static func enablePreemption() { apus_gs_enable_preemption() }

  /// How many calls of `disablePreemption` are not taken back on this CPU. Any context.
  @inline(__always)
  public static var preemptionCount: Int { Int(truncatingIfNeeded: apus_gs_preemption_count()) }

  /// 512 bytes of this CPU's own for the module `Locking`: there from the kernel's entry on, zero at
  /// first, at a multiple of 64, never freed. Two instructions. Any context.
  @inline(__always)
  public static var lockingStorage: UnsafeMutableRawPointer { apus_locking_storage() }

  /// What the scheduler knows the running thread by; `nil` before there is a scheduler. One load, the same
  /// for a thread wherever it runs. Any context.
  @inline(__always)
  public static var thread: UnsafeMutableRawPointer? { apus_gs_thread() }

  /// Says which thread runs on this CPU from now on. By the scheduler, with interrupts off.
  @inline(__always)
  public static func setThread(_ thread: UnsafeMutableRawPointer?) {
    apus_gs_set_thread(thread)
  }

  /// Why the running thread is to give way at the end of an interrupt, as the scheduler knows it; 0 if it is
  /// not. One instruction. With interrupts off.
  @inline(__always)
  public static var preemptionRequest: UInt64 {
    get { apus_gs_preemption_request() }
    set { apus_gs_set_preemption_request(newValue) }
  }

  /// Whether this CPU is inside of an interrupt handler. Exceptions do not count. Any context.
  @inline(__always)
  public static var isInInterrupt: Bool { apus_gs_interrupt_depth() != 0 }

  /// Runs `body` as a part of an interrupt: until it is through, `isInInterrupt`.
  @inline(__always)
  public static func withInterruptMarked(_ body: () -> Void) {
    apus_gs_enter_interrupt()
    body()
    apus_gs_leave_interrupt()
  }

  /// Halts until the next interrupt and handles it; interrupts are off before and after.
  ///
  /// An interrupt that is already pending ends the wait at once, so what is checked with
  /// interrupts off before the call cannot change unseen.
  @inline(__always)
  public static func waitForInterrupt() { apus_sti_hlt_cli() }

  /// Stops this CPU for good; only an NMI still reaches it.
  public static func halt() -> Never {
    while true { apus_cli_hlt() }
  }
}
#endif
