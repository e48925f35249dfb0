#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// Time since the kernel was entered; never goes back, the same on every CPU.
public enum MonotonicClock {
  // Written once by the boot CPU before any other runs.
  private static let start = Atomic<UInt64>(0)
  /// Nanoseconds per tick, times 2^32: right for any rate from 1 Hz up. Until the rate is known, as
  /// if it were 4 GHz: more than it will turn out to be, so that time does not go back then.
  private static let factor = Atomic<UInt64>(1 << 30)
  private static let frequency = Atomic<UInt64>(1_000_000_000)

  /// Marks now as time 0.
  static func startCounting() { start.store(apus_rdtsc(), ordering: .relaxed) }

  static func setFrequency(_ hertz: UInt64) {
    let hertz = Swift.max(hertz, 1)
    frequency.store(hertz, ordering: .relaxed)
    factor.store(
      hertz.dividingFullWidth((1_000_000_000 >> 32, 1_000_000_000 << 32)).quotient,
      ordering: .relaxed)
  }

  /// Nanoseconds since the start. A handful of instructions, any context.
  public static var nanoseconds: UInt64 {
    let ticks = apus_rdtsc() &- start.load(ordering: .relaxed)
    let product = ticks.multipliedFullWidth(by: factor.load(ordering: .relaxed))
    return product.high << 32 | product.low >> 32
  }

  /// The time stamp at which `nanoseconds` will be reached.
  static func timestamp(at nanoseconds: UInt64) -> UInt64 {
    let product = nanoseconds.multipliedFullWidth(by: frequency.load(ordering: .relaxed))
    guard product.high < 1_000_000_000 else { return .max }
    let ticks = UInt64(1_000_000_000).dividingFullWidth(product).quotient
    let (sum, overflow) = start.load(ordering: .relaxed).addingReportingOverflow(ticks)
    return overflow ? .max : sum
  }
}
#endif
