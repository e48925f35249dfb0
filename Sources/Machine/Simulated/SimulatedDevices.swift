#if !hasFeature(Embedded)
/// Interrupts that CPUs send each other.
public enum InterruptVector: UInt8, Sendable {
  case timer = 0x40
  case crossCall = 0x41
  case wake = 0x42
}

extension Processor {
  /// Simulated CPUs poll their mailboxes: an interrupt is only what makes them look sooner.
  public static func send(_ interrupt: InterruptVector, to index: Int) {}
}

/// The host's monotonic clock.
public enum MonotonicClock {
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
  public static func arm(at deadline: UInt64) {}
  public static func stop() {}
}

/// The ways that text leaves the machine: on the host, standard output and standard error.
public enum OutputChannel: Sendable {
  case serial
  case debugConsole

  public static var hasDebugConsole: Bool { false }

  public func write(_ bytes: UnsafeRawBufferPointer) {
    for byte in bytes { print(Character(UnicodeScalar(byte)), terminator: "") }
  }
}

/// The address translation of the simulated CPU: it keeps nothing.
public enum AddressTranslation {
  public static func forget(_ address: UInt64) {}
  public static func forgetAll() {}
}
#endif
