#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// How fast the time-stamp counter and the local APIC's timer run.
public struct ClockCalibration {
  /// Where the rates come from.
  public enum Source {
    case kvmClock, hypervisorLeaf, processorLeaf, intervalTimer
    /// Nothing told: 1 GHz is assumed, and times are not to be trusted.
    case none

    /// What the log calls it.
    public var name: StaticString {
      switch self {
      case .kvmClock: "kvm-clock"
      case .hypervisorLeaf: "CPUID 0x40000010"
      case .processorLeaf: "CPUID 0x15"
      case .intervalTimer: "the interval timer"
      case .none: "no source, 1 GHz assumed"
      }
    }
  }

  /// Ticks of the time-stamp counter per second.
  public var timestampFrequency: UInt64
  /// Counts of the local APIC's timer per second.
  public var timerFrequency: UInt64
  /// Where the rates come from.
  public var source: Source

  /// Finds both rates in under 1 ms. The local APIC of this CPU must be on. `scratch` is a page
  /// of memory that the VMM may write while this runs.
  static func measure(scratch: UInt) -> ClockCalibration {
    // What the VMM says costs nothing, but it says nothing of the timer unless it has the leaf.
    if let leaf = ProcessorFeatures.hypervisorLeaf(signature: kvmSignature) {
      if apus_cpuid(leaf, 0).eax >= leaf + 0x10 {
        let rates = apus_cpuid(leaf + 0x10, 0)
        if rates.eax != 0, rates.ebx != 0 {
          return ClockCalibration(
            timestampFrequency: UInt64(rates.eax) * 1000, timerFrequency: UInt64(rates.ebx) * 1000,
            source: .hypervisorLeaf)
        }
      }
      if apus_cpuid(leaf + 1, 0).eax & (1 << 3) != 0,
        let frequency = kvmClockFrequency(page: scratch)
      {
        return ClockCalibration(
          timestampFrequency: frequency,
          timerFrequency: timerFrequency(timestampFrequency: frequency), source: .kvmClock)
      }
    }
    if ProcessorFeatures.highestLeaf >= 0x15 {
      let ratio = apus_cpuid(0x15, 0)
      if ratio.eax != 0, ratio.ebx != 0, ratio.ecx != 0 {
        let frequency = UInt64(ratio.ecx) * UInt64(ratio.ebx) / UInt64(ratio.eax)
        return ClockCalibration(
          timestampFrequency: frequency,
          timerFrequency: timerFrequency(timestampFrequency: frequency), source: .processorLeaf)
      }
    }
    if let measured = againstIntervalTimer() { return measured }
    return ClockCalibration(
      timestampFrequency: 1_000_000_000, timerFrequency: 1_000_000_000, source: .none)
  }

  /// "KVMK", the start of KVM's signature.
  private static let kvmSignature: UInt32 = 0x4B4D_564B

  /// The rate in KVM's own clock page: nanoseconds = (ticks << shift) * factor >> 32
  /// (Linux, Documentation/virt/kvm/x86/msr.rst).
  private static func kvmClockFrequency(page: UInt) -> UInt64? {
    let systemTimeMSR: UInt32 = 0x4B56_4D01
    apus_wrmsr(systemTimeMSR, UInt64(page) | 1)
    defer { apus_wrmsr(systemTimeMSR, 0) }
    guard let page = UnsafeRawPointer(bitPattern: page) else { return nil }
    let factor = UInt64(page.load(fromByteOffset: 24, as: UInt32.self))
    let shift = page.load(fromByteOffset: 28, as: Int8.self)
    guard factor != 0, shift > -32, shift < 32 else { return nil }
    let unshifted = (UInt64(1_000_000_000) << 32) / factor
    return shift < 0 ? unshifted << UInt64(-shift) : unshifted >> UInt64(shift)
  }

  /// The timer's rate against a time-stamp counter of known rate, over 50 µs; not measured where
  /// the timer compares with that counter anyway.
  private static func timerFrequency(timestampFrequency: UInt64) -> UInt64 {
    if ProcessorFeatures.hasTSCDeadline { return timestampFrequency }
    let span = timestampFrequency / 20_000
    OneShotTimer.startFreeRunning()
    let first = LocalAPIC.read(.timerCurrentCount)
    let start = apus_rdtsc()
    while apus_rdtsc() &- start < span { Processor.pause() }
    let last = LocalAPIC.read(.timerCurrentCount)
    let elapsed = apus_rdtsc() &- start
    OneShotTimer.stop()
    return scaled(UInt64(first &- last), by: timestampFrequency, over: elapsed)
  }

  /// Both rates against the interval timer; `nil` if there is none.
  ///
  /// One measurement is enough unless the host took the CPU away in the middle of it, which shows
  /// in its uncertainty: then it is repeated, and the best one counts.
  private static func againstIntervalTimer() -> ClockCalibration? {
    var best: Measurement?
    for _ in 0..<50 {
      guard let measurement = Measurement() else { return nil }
      if best.map({ measurement.badness < $0.badness }) ?? true { best = measurement }
      if measurement.badness < Measurement.tolerableError { break }
    }
    return best.map {
      ClockCalibration(
        timestampFrequency: $0.timestampFrequency, timerFrequency: $0.timerFrequency,
        source: .intervalTimer)
    }
  }

  /// One measurement against the interval timer.
  ///
  /// An edge of its count is known to lie between the time stamps around two readings. The
  /// measurement goes on until that uncertainty is below 1/500 of the span, at most 900 µs: where
  /// port I/O is cheap (under `-icount`) some 20 µs are enough.
  private struct Measurement {
    let timestampFrequency: UInt64
    let timerFrequency: UInt64
    /// Bound of the relative error of the time stamp's rate, in millionths.
    let error: UInt64
    /// The same of the timer's rate.
    let timerError: UInt64

    /// Both in one: who waits for the timer looks at the clock, so its rate need not be as good.
    var badness: UInt64 { Swift.max(error, timerError / 10) }

    static let wantedError: UInt64 = 2000
    static let tolerableError: UInt64 = 5000
    private static let longest = IntervalTimer.frequency * 9 / 10_000

    init?() {
      let device = IntervalTimer()
      OneShotTimer.startFreeRunning()
      defer { OneShotTimer.stop() }
      guard let first = Edge(after: device.read(), of: device) else { return nil }
      let firstTimer = TimerReading()
      var last = first
      var error = UInt64.max
      repeat {
        guard let next = Edge(after: last.count, of: device) else { return nil }
        last = next
        error = scaled(
          first.uncertainty + last.uncertainty, by: 1_000_000, over: last.stamp &- first.stamp)
      } while error > Self.wantedError && first.count &- last.count < Self.longest
      let lastTimer = TimerReading()
      self.error = error
      timerError = scaled(
        firstTimer.uncertainty + lastTimer.uncertainty, by: 1_000_000,
        over: lastTimer.stamp &- firstTimer.stamp)
      timestampFrequency = scaled(
        last.stamp &- first.stamp, by: IntervalTimer.frequency, over: first.count &- last.count)
      timerFrequency = scaled(
        UInt64(firstTimer.count &- lastTimer.count), by: timestampFrequency,
        over: lastTimer.stamp &- firstTimer.stamp)
    }
  }

  /// The timer's count at a moment that is known to lie between two time stamps.
  private struct TimerReading {
    let count: UInt32
    let stamp: UInt64
    let uncertainty: UInt64

    init() {
      let before = apus_rdtsc()
      count = LocalAPIC.read(.timerCurrentCount)
      uncertainty = apus_rdtsc() &- before
      stamp = before &+ uncertainty / 2
    }
  }

  /// A moment at which the interval timer's count was seen to change.
  private struct Edge {
    var count: UInt64
    var stamp: UInt64
    var uncertainty: UInt64

    /// Waits for the count to leave `old`; `nil` if it never does: there is no such timer.
    init?(after old: UInt64, of device: IntervalTimer) {
      var before = apus_rdtsc()
      for _ in 0..<100_000 {
        let count = device.read()
        let after = apus_rdtsc()
        if count != old {
          self.count = count
          self.stamp = before &+ (after &- before) / 2
          self.uncertainty = after &- before
          return
        }
        before = after
        Processor.pause()
      }
      return nil
    }
  }

  /// `value * factor / divisor` without overflow in between; the largest number where the divisor
  /// is too small for the quotient to fit.
  private static func scaled(_ value: UInt64, by factor: UInt64, over divisor: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: factor)
    guard divisor > product.high else { return .max }
    return divisor.dividingFullWidth(product).quotient
  }
}
#endif
