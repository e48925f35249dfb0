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

  /// The beginning of a measurement against the interval timer: what the machine does until `measure` is a
  /// part of it, so that nobody waits.
  public struct Beginning {
    fileprivate let device: IntervalTimer
    fileprivate let edge: Edge
  }

  /// Begins to measure, unless the rates will be told; `nil` also where there is no interval timer.
  static func begin() -> Beginning? {
    if ProcessorFeatures.hypervisorLeaf(signature: kvmSignature) != nil || processorLeaf != nil {
      return nil
    }
    let device = IntervalTimer()
    return Edge(after: device.read(), of: device, patience: 1000).map {
      Beginning(device: device, edge: $0)
    }
  }

  /// Finds both rates, mostly in under 100 µs, and in 1 ms without a `beginning` less than 50 ms ago. The
  /// local APIC of this CPU must be on. `scratch` is a page of memory that the VMM may write while this runs.
  static func measure(since beginning: Beginning?, scratch: UInt) -> ClockCalibration {
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
    if let frequency = processorLeaf {
      return ClockCalibration(
        timestampFrequency: frequency,
        timerFrequency: timerFrequency(timestampFrequency: frequency), source: .processorLeaf)
    }
    if let measured = againstIntervalTimer(since: beginning) { return measured }
    return ClockCalibration(
      timestampFrequency: 1_000_000_000, timerFrequency: 1_000_000_000, source: .none)
  }

  /// The rate of the time-stamp counter that the CPU tells.
  private static var processorLeaf: UInt64? {
    guard ProcessorFeatures.highestLeaf >= 0x15 else { return nil }
    let ratio = apus_cpuid(0x15, 0)
    guard ratio.eax != 0, ratio.ebx != 0, ratio.ecx != 0 else { return nil }
    return UInt64(ratio.ecx) * UInt64(ratio.ebx) / UInt64(ratio.eax)
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
  /// One measurement is enough unless the host took the CPU away at its beginning or its end, which shows
  /// in its uncertainty, or it began too long ago: then it is repeated, and the best one counts.
  private static func againstIntervalTimer(since beginning: Beginning?) -> ClockCalibration? {
    var best = beginning.flatMap { Measurement(from: $0) }
    var turns = 0
    while turns < 50, best.map({ $0.badness >= Measurement.tolerableError }) ?? true {
      guard let measurement = Measurement() else { break }
      if best.map({ measurement.badness < $0.badness }) ?? true { best = measurement }
      turns += 1
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
  /// measurement goes on until that uncertainty is below 1/500 of the span, at most 900 µs.
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

    /// From now on.
    init?() {
      let device = IntervalTimer()
      guard let edge = Edge(after: device.read(), of: device) else { return nil }
      self.init(from: Beginning(device: device, edge: edge))
    }

    /// `nil` also if the beginning was too long ago.
    @inline(never)
    init?(from beginning: Beginning) {
      let (device, first) = (beginning.device, beginning.edge)
      OneShotTimer.startFreeRunning()
      defer { OneShotTimer.stop() }
      let firstTimer = TimerReading()
      var last = first
      var error = UInt64.max
      repeat {
        guard let next = Edge(after: device.read(), of: device) else { return nil }
        last = next
        error = scaled(
          first.uncertainty + last.uncertainty, by: 1_000_000, over: last.stamp &- first.stamp)
      } while error > Self.wantedError && first.count &- last.count < Self.longest
      if device.isOver { return nil }
      var lastTimer = firstTimer
      var timerError = UInt64.max
      var turns = 0
      repeat {
        lastTimer = TimerReading()
        timerError = scaled(
          firstTimer.uncertainty + lastTimer.uncertainty, by: 1_000_000,
          over: lastTimer.stamp &- firstTimer.stamp)
        turns += 1
      } while timerError > Self.wantedError * 10 && turns < 1000
      self.error = error
      self.timerError = timerError
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
  fileprivate struct Edge {
    var count: UInt64
    var stamp: UInt64
    var uncertainty: UInt64

    /// Waits for the count to leave `old`, which it had just now; `nil` if it does not within `patience`
    /// readings: there is no such timer.
    @inline(never)
    init?(after old: UInt64, of device: IntervalTimer, patience: Int = 100_000) {
      var before = apus_rdtsc()
      for _ in 0..<patience {
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
