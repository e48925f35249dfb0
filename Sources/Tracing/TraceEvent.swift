/// Something that a CPU did.
public struct TraceEvent {
  /// What it did, and what the two values of the event are. The command knows the same numbers.
  public enum Kind: UInt8, Sendable {
    /// A thread begins to run here: its number; 0 for the idle loop.
    case `switch` = 1
    /// A thread was woken: its number, and the CPU for which it waits now.
    case wake = 2
    /// A CPU without work took a thread out of another's queue: its number, and that CPU.
    case pull = 3
    /// An interrupt was handled: its vector.
    case interrupt = 4
    /// A page fault was handled: the address.
    case fault = 5
    /// Translations were taken from other CPUs: the first address, and those CPUs as bits.
    case shootdown = 6
    /// A spin lock was waited for: its address.
    case lockWait = 7
    /// A thread was made: its number, and its priority.
    case spawn = 8
    /// The name of the thread that was made last on this CPU: 31 bytes of UTF-8, filled up with zeroes, in
    /// the time, the first and the second value, and the duration, the lowest bytes first.
    case name = 9
  }

  /// When it began, in nanoseconds of `MonotonicClock`.
  public let time: UInt64
  /// The kind in the upper 8 bits, nanoseconds below.
  private let kindAndDuration: UInt64
  /// What the kind says.
  public let first: UInt64
  /// What the kind says.
  public let second: UInt64

  @inline(__always)
  init(_ kind: Kind, time: UInt64, duration: UInt64, _ first: UInt64, _ second: UInt64) {
    self.time = time
    kindAndDuration = UInt64(kind.rawValue) << 56 | duration & (1 << 56 &- 1)
    self.first = first
    self.second = second
  }

  /// The name of the thread that was made just before.
  init(name bytes: InlineArray<31, UInt8>) {
    time = Self.word(bytes, from: 0)
    first = Self.word(bytes, from: 8)
    second = Self.word(bytes, from: 16)
    kindAndDuration = UInt64(Kind.name.rawValue) << 56 | Self.word(bytes, from: 24)
  }

  private static func word(_ bytes: InlineArray<31, UInt8>, from start: Int) -> UInt64 {
    var result: UInt64 = 0
    for index in start..<Swift.min(start + 8, 31) {
      result |= UInt64(bytes[index]) << UInt64(8 * (index - start))
    }
    return result
  }

  /// The number of its kind.
  public var kindNumber: UInt64 { kindAndDuration >> 56 }
  /// How long it took, in nanoseconds; 0 for what happens at one moment.
  public var duration: UInt64 { kindAndDuration & (1 << 56 - 1) }
}
