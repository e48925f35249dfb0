/// A line of text, composed by string interpolation without touching the heap: kernel code logs
/// before there is a heap, and in a panic when there may be none any more.
///
///     Log.info("\(count) CPUs, timer at \(hex: address)")
///
/// What does not fit in `capacity` bytes is cut off.
public struct LogMessage: ExpressibleByStringInterpolation, TextOutputStream, Sendable {
  /// The longest line, in bytes without its end.
  public static let capacity = 240

  // One more than the capacity, for the end of the line.
  private var storage = InlineArray<241, UInt8>(repeating: 0)
  private(set) var count = 0

  /// An empty line.
  public init() {}

  /// A line of constant text.
  public init(stringLiteral value: StaticString) { append(value) }
  /// A line with values in it.
  public init(stringInterpolation: StringInterpolation) { self = stringInterpolation.message }

  /// Adds one byte.
  @inline(never)
  public mutating func append(byte: UInt8) { put(byte) }

  @inline(__always)
  private mutating func put(_ byte: UInt8) {
    guard count < Self.capacity else { return }
    storage[count] = byte
    count += 1
  }

  /// Adds the end of the line, for which there is always room: whoever reads the log takes it line
  /// by line, and would take what follows for a part of this one. Nothing may be added after it.
  mutating func endLine() {
    storage[count] = 0x0A
    count += 1
  }

  /// Adds text that is part of the image.
  @inline(never)
  public mutating func append(_ text: StaticString) {
    text.withUTF8Buffer { for byte in $0 { put(byte) } }
  }

  /// Adds text of any length, for errors that write themselves. It may lie on the heap, so not in
  /// interrupts; constant text goes to `append(_:)`.
  @inline(never)
  public mutating func write(_ string: String) {
    // All strings of an image lie in one piece; the loop over them would bring what handles others.
    string.utf8.withContiguousStorageIfAvailable { for byte in $0 { put(byte) } }
  }

  /// Adds another line's text.
  @inline(never)
  public mutating func append(line other: borrowing LogMessage) {
    for index in 0..<other.count { put(other.storage[index]) }
  }

  /// Adds a number in decimal, filled up with `padding` to `width` digits.
  @inline(never)
  public mutating func append(decimal value: UInt64, width: Int = 1, padding: UInt8 = 0x30) {
    var divisor: UInt64 = 1
    var digits = 1
    while value / divisor >= 10 {
      divisor *= 10
      digits += 1
    }
    for _ in 0..<Swift.max(width - digits, 0) { append(byte: padding) }
    while divisor > 0 {
      append(byte: 0x30 + UInt8(value / divisor % 10))
      divisor /= 10
    }
  }

  /// Adds `0x` and all 16 digits of a number.
  @inline(never)
  public mutating func append(hex value: UInt64) {
    append("0x")
    for shift in stride(from: UInt64(60), through: 0, by: -4) {
      let digit = UInt8(value >> shift & 15)
      append(byte: digit < 10 ? 0x30 + digit : 0x57 + digit)
    }
  }

  /// Adds the digits of a number in hexadecimal, and no more of them than it has.
  @inline(never)
  public mutating func append(shortHex value: UInt64) {
    var shift = UInt64(63 &- (value | 1).leadingZeroBitCount) & ~3
    while true {
      let digit = UInt8(value >> shift & 15)
      append(byte: digit < 10 ? 0x30 + digit : 0x57 + digit)
      if shift == 0 { return }
      shift &-= 4
    }
  }

  /// Runs `body` over the text.
  public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    withUnsafePointer(to: storage) { pointer in
      body(UnsafeRawBufferPointer(start: UnsafeRawPointer(pointer), count: count))
    }
  }

  /// Composes the line piece by piece.
  public struct StringInterpolation: StringInterpolationProtocol {
    var message = LogMessage()

    /// Starts with an empty line; there is nothing to reserve.
    public init(literalCapacity: Int, interpolationCount: Int) {}

    /// Adds the text between two values.
    public mutating func appendLiteral(_ literal: StaticString) { message.append(literal) }
    /// Text that is part of the image.
    public mutating func appendInterpolation(_ text: StaticString) { message.append(text) }
    /// Text.
    public mutating func appendInterpolation(_ text: String) { message.write(text) }
    /// Another line's text.
    public mutating func appendInterpolation(_ text: LogMessage) { message.append(line: text) }

    /// An error or whatever else can write itself.
    public mutating func appendInterpolation(_ value: some TextOutputStreamable) {
      value.write(to: &message)
    }

    /// A number in decimal.
    public mutating func appendInterpolation(_ value: some BinaryInteger) {
      if value < 0 { message.append(byte: 0x2D) }
      message.append(decimal: UInt64(value.magnitude))
    }

    /// A number in hexadecimal, all digits.
    public mutating func appendInterpolation(hex value: some BinaryInteger) {
      message.append(hex: UInt64(truncatingIfNeeded: value))
    }
  }
}
