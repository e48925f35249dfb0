/// Numbers in messages, without any use of the heap: most errors of this module are found before
/// there is one.
extension TextOutputStream {
  /// Writes `value` as `0x` and hexadecimal digits.
  public mutating func writeHexadecimal(_ value: UInt64) {
    write("0x")
    var shift = 60
    while shift > 0 && value >> UInt64(shift) == 0 { shift -= 4 }
    while shift >= 0 {
      write(Self.digit(UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 0xF))
      shift -= 4
    }
  }

  /// Writes `value` as decimal digits.
  public mutating func writeDecimal(_ value: UInt64) {
    var power: UInt64 = 1
    while value / power >= 10 { power *= 10 }
    while power > 0 {
      write(Self.digit(UInt8(truncatingIfNeeded: value / power % 10)))
      power /= 10
    }
  }

  private static func digit(_ value: UInt8) -> String {
    // Strings of at most 15 bytes are kept in the value itself.
    String(UnicodeScalar(value < 10 ? 0x30 + value : 0x57 + value))
  }
}
