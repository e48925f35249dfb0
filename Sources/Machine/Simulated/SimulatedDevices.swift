#if !hasFeature(Embedded)
import CMachine

/// Interrupts that CPUs send each other.
public enum InterruptVector: UInt8, Sendable {
  case timer = 0x40
  case crossCall = 0x41
  case wake = 0x42
  case urgent = 0x43
  case spurious = 0xFF
}

extension Processor {
  /// Under an explorer the interrupt is pending from now on, and comes at any later time. Otherwise
  /// simulated CPUs poll their mailboxes: an interrupt is only what makes them look sooner.
  public static func send(_ interrupt: InterruptVector, to index: Int) {
    guard let explorer = apus_simulated_processor().pointee.explorer else { return }
    explore(.sendInterrupt, at: UInt64(index))
    explorer.pointee.send(explorer.pointee.context, interrupt.rawValue, Int64(index))
  }
}

extension Processor {
  /// The same where interrupts are off.
  public static func send(
    _ interrupt: InterruptVector, to index: Int, _ proof: borrowing InterruptsDisabled
  ) {
    send(interrupt, to: index)
  }
}

/// The host's monotonic clock, or the explorer's, which passes the same in each run.
public enum MonotonicClock {
  /// Nanoseconds since the first reading.
  public static var nanoseconds: UInt64 {
    if let explorer = apus_simulated_processor().pointee.explorer {
      return explorer.pointee.now(explorer.pointee.context)
    }
    // The start first: it is taken when it is first asked for, and time may not run backwards.
    let start = Self.start
    let passed = (ContinuousClock.now - start).components
    return UInt64(passed.seconds) * 1_000_000_000 + UInt64(passed.attoseconds / 1_000_000_000)
  }

  private static let start = ContinuousClock.now
}

/// The timer of a simulated CPU. Without an explorer whoever waits polls, so there is nothing to arm.
public enum OneShotTimer {
  /// Makes the timer's interrupt pending when the explorer's clock is at `deadline`.
  public static func arm(at deadline: UInt64) {
    guard let explorer = apus_simulated_processor().pointee.explorer else { return }
    explorer.pointee.arm_timer(explorer.pointee.context, deadline)
  }

  /// Takes the wish back; an interrupt that is pending already still comes.
  public static func stop() { arm(at: .max) }
}

/// The ways that text leaves the machine: on the host, standard output, or the explorer's record.
public enum OutputChannel: UInt8, Sendable {
  case serial
  case debugConsole

  /// There is none on the host.
  public static var hasDebugConsole: Bool { false }

  /// Writes bytes. Under an explorer other CPUs may run before each, as they may in a device's time.
  public func write(_ bytes: UnsafeRawBufferPointer) {
    if let explorer = apus_simulated_processor().pointee.explorer {
      for byte in bytes {
        explore(.output)
        explorer.pointee.output(explorer.pointee.context, rawValue, byte)
      }
      return
    }
    for byte in bytes { print(Character(UnicodeScalar(byte)), terminator: "") }
  }
}
#endif
