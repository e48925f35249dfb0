/// A thread's name: up to 31 bytes of UTF-8, so that reports of a halted machine can read it where it is.
/// Control characters, which would break up the lines of reports, are question marks in it.
struct ThreadName {
  private static let capacity = 31
  /// The bytes, and zeroes behind them.
  private(set) var bytes: InlineArray<31, UInt8> = .init(repeating: 0)
  private(set) var count: UInt8 = 0

  /// No name.
  init() {}

  /// The name as far as there is room for whole characters.
  init(_ text: borrowing String) {
    // All strings of an image lie in one piece; `withUTF8` would bring what copies others.
    text.utf8.withContiguousStorageIfAvailable { utf8 in
      var length = Swift.min(utf8.count, Self.capacity)
      // Not in the middle of a character: its second byte and those after it are 10xxxxxx.
      if length < utf8.count {
        while length > 0 && utf8[length] & 0xC0 == 0x80 { length -= 1 }
      }
      for index in 0..<length { bytes[index] = Self.isControl(utf8[index]) ? 0x3F : utf8[index] }
      count = UInt8(length)
    }
  }

  private static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7F }

  /// Calls `body` for each byte.
  @inline(__always)
  func forEachByte(_ body: (UInt8) -> Void) {
    for index in 0..<Int(count) { body(bytes[index]) }
  }

  var text: String {
    var utf8: [UInt8] = []
    utf8.reserveCapacity(Int(count))
    forEachByte { utf8.append($0) }
    return String(decoding: utf8, as: UTF8.self)
  }
}
