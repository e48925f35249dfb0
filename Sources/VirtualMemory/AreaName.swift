/// The name of an area for whoever reads a list of them: up to 31 bytes of UTF-8, in the value itself,
/// so that a name costs no heap.
public struct AreaName: Hashable, Sendable, ExpressibleByStringLiteral {
  /// The longest name in bytes; what is longer is cut off between two characters.
  public static let capacity = 31

  // The bytes in their order, the lowest ones first; zero behind the last one.
  let words: Words

  struct Words: Hashable, Sendable {
    var first: UInt64 = 0
    var second: UInt64 = 0
    var third: UInt64 = 0
    var fourth: UInt64 = 0

    @inline(__always)
    subscript(index: Int) -> UInt64 {
      get {
        switch index {
        case 0: first
        case 1: second
        case 2: third
        default: fourth
        }
      }
      set {
        switch index {
        case 0: first = newValue
        case 1: second = newValue
        case 2: third = newValue
        default: fourth = newValue
        }
      }
    }
  }

  init(_ words: Words) { self.words = words }

  /// No name.
  public init() { words = Words() }

  /// A name that is part of the program.
  public init(stringLiteral value: StaticString) {
    self = value.withUTF8Buffer { AreaName(utf8: UnsafeRawBufferPointer($0)) }
  }

  /// A name that is put together while the program runs.
  public init(_ text: String) {
    var text = text
    self = text.withUTF8 { AreaName(utf8: UnsafeRawBufferPointer($0)) }
  }

  /// A name from UTF-8. Control characters, which would spoil a list of lines, become question marks.
  public init(utf8 bytes: UnsafeRawBufferPointer) {
    var count = Swift.min(bytes.count, Self.capacity)
    // A cut lies in front of a byte that begins a character.
    while count > 0, count < bytes.count, bytes[count] & 0xC0 == 0x80 { count -= 1 }
    var words = Words()
    for index in 0..<count {
      let byte = bytes[index] < 0x20 || bytes[index] == 0x7F ? UInt8(ascii: "?") : bytes[index]
      words[index / 8] |= UInt64(byte) << UInt64(index % 8 * 8)
    }
    self.words = words
  }

  /// Whether there is no name.
  public var isEmpty: Bool { words.first == 0 }

  /// Runs `body` on the name's bytes.
  public func withUTF8<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    withUnsafeBytes(of: words) { bytes in
      var count = 0
      while count < Self.capacity, bytes[count] != 0 { count += 1 }
      return body(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
    }
  }
}

extension AreaName: TextOutputStreamable {
  /// Writes the name. Text of more than 15 bytes takes memory from the heap.
  public func write(to target: inout some TextOutputStream) {
    if isEmpty { return }
    target.write(withUTF8 { String(decoding: $0, as: UTF8.self) })
  }
}
