/// A size of memory, written as on QEMU's command line: a number and a binary unit.
public struct MemorySize: Equatable, Comparable, Sendable, CustomStringConvertible {
  /// The size in bytes.
  public var bytes: UInt64

  public init(bytes: UInt64) { self.bytes = bytes }

  public init(mebibytes: UInt64) { self.bytes = mebibytes << 20 }

  /// Parses a decimal number and a unit: `B`, `K`, `M`, `G` or `T`, alone or followed by `B` or
  /// `iB`, in either case; all are powers of 1024, and a number without unit is in mebibytes, as
  /// QEMU has it.
  ///
  /// - Returns: `nil` when `text` is no such size, is 0, or does not fit in 64 bits.
  public init?(_ text: String) {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let number = UInt64(digits) else { return nil }
    let shift: UInt64
    switch text.dropFirst(digits.count).lowercased() {
    case "b": shift = 0
    case "k", "kb", "kib": shift = 10
    case "", "m", "mb", "mib": shift = 20
    case "g", "gb", "gib": shift = 30
    case "t", "tb", "tib": shift = 40
    default: return nil
    }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
    guard !overflow, bytes > 0 else { return nil }
    self.bytes = bytes
  }

  public static func < (left: MemorySize, right: MemorySize) -> Bool { left.bytes < right.bytes }

  /// The size in the largest unit that holds it without a fraction, such as `64M`.
  public var description: String {
    for (shift, unit) in [(30, "G"), (20, "M"), (10, "K")] as [(UInt64, String)]
    where bytes & (1 << shift - 1) == 0 {
      return "\(bytes >> shift)\(unit)"
    }
    return "\(bytes)B"
  }

  /// The size in whole mebibytes, rounded up; at most the largest that 64 bits hold.
  public var roundedUpToMebibytes: MemorySize {
    MemorySize(mebibytes: min(bytes >> 20 + (bytes & (1 << 20 - 1) == 0 ? 0 : 1), 1 << 44 - 1))
  }
}
