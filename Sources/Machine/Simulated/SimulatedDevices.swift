#if !hasFeature(Embedded)
/// Interrupts that CPUs send each other.
public enum InterruptVector: UInt8, Sendable {
  case timer = 0x40
  case crossCall = 0x41
  case wake = 0x42
  case urgent = 0x43
}

extension Processor {
  /// Simulated CPUs poll their mailboxes: an interrupt is only what makes them look sooner.
  public static func send(_ interrupt: InterruptVector, to index: Int) {}
}

/// The host's monotonic clock.
public enum MonotonicClock {
  /// Nanoseconds since the first reading.
  public static var nanoseconds: UInt64 {
    // The start first: it is taken when it is first asked for, and time may not run backwards.
    let start = Self.start
    let passed = (ContinuousClock.now - start).components
    return UInt64(passed.seconds) * 1_000_000_000 + UInt64(passed.attoseconds / 1_000_000_000)
  }

  private static let start = ContinuousClock.now
}

/// The timer of a simulated CPU: whoever waits polls, so there is nothing to arm.
public enum OneShotTimer {
  /// Nothing: whoever waits looks at the clock.
  public static func arm(at deadline: UInt64) {}
  /// Nothing.
  public static func stop() {}
}

/// The ways that text leaves the machine: on the host, standard output and standard error.
public enum OutputChannel: Sendable {
  case serial
  case debugConsole

  /// There is none on the host.
  public static var hasDebugConsole: Bool { false }

  /// Writes bytes to standard output.
  public func write(_ bytes: UnsafeRawBufferPointer) {
    for byte in bytes { print(Character(UnicodeScalar(byte)), terminator: "") }
  }
}

/// The address translation of the simulated CPU: it keeps nothing.
public enum AddressTranslation {
  /// Nothing: the simulated CPU remembers no translation.
  public static func forget(_ address: UInt64) {}
  /// Nothing, for the same reason.
  public static func forgetAll() {}
}
#endif
