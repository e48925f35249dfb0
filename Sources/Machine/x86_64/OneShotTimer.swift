#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// This CPU's timer: one interrupt at one moment.
public enum OneShotTimer {
  // Written once by the boot CPU before any other runs.
  private static let frequency = Atomic<UInt64>(1_000_000_000)
  /// The timer compares with the time-stamp counter instead of counting down.
  private static let hasDeadline = Atomic<UInt8>(0)

  static func setFrequency(_ hertz: UInt64) {
    frequency.store(Swift.max(hertz, 1), ordering: .relaxed)
    hasDeadline.store(ProcessorFeatures.hasTSCDeadline ? 1 : 0, ordering: .relaxed)
  }

  private static let masked: UInt32 = 1 << 16
  private static let deadlineMode: UInt32 = 1 << 18

  /// Asks for a timer interrupt on this CPU at `deadline` (nanoseconds of `MonotonicClock`), in
  /// place of any asked for before. It may come early when the deadline is further off than the
  /// timer can count: whoever waits looks at the clock and asks again.
  public static func arm(at deadline: UInt64) {
    if hasDeadline.load(ordering: .relaxed) != 0 {
      LocalAPIC.write(.timer, deadlineMode | UInt32(InterruptVector.timer.rawValue))
      // In xAPIC mode the two writes are not ordered without a fence (volume 3, 11.5.4.1).
      apus_fence_before_wrmsr()
      apus_wrmsr(ModelSpecificRegister.tscDeadline, MonotonicClock.timestamp(at: deadline))
      return
    }
    let now = MonotonicClock.nanoseconds
    let wait = deadline > now ? deadline - now : 0
    // At most one second at a time: the product fits into 64 bits for rates up to 18 GHz.
    let (product, overflow) = Swift.min(wait, 1_000_000_000)
      .multipliedReportingOverflow(by: frequency.load(ordering: .relaxed))
    let counts = overflow ? 0xFFFF_FFFF : product / 1_000_000_000
    LocalAPIC.write(.timerDivide, 0xB)
    LocalAPIC.write(.timer, UInt32(InterruptVector.timer.rawValue))
    LocalAPIC.write(
      .timerInitialCount, UInt32(truncatingIfNeeded: Swift.min(Swift.max(counts, 1), 0xFFFF_FFFF)))
  }

  /// Takes the request back.
  public static func stop() {
    LocalAPIC.write(.timer, masked)
    LocalAPIC.write(.timerInitialCount, 0)
  }

  /// Counts down from the top without interrupting, for calibration.
  static func startFreeRunning() {
    LocalAPIC.write(.timerDivide, 0xB)
    LocalAPIC.write(.timer, masked)
    LocalAPIC.write(.timerInitialCount, 0xFFFF_FFFF)
  }
}
#endif
