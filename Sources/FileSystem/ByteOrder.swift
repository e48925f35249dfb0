/// Orders of names and paths by their bytes.
enum ByteOrder {
  /// Negative, zero or positive as `left` comes before, equals or comes after `right`.
  static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
    let count = min(left.count, right.count)
    var index = 0
    while index < count {
      if left[index] != right[index] { return Int(left[index]) - Int(right[index]) }
      index += 1
    }
    return left.count - right.count
  }

  /// As `compare`, but the slash comes before every other byte, so that all that is below a
  /// directory follows it at once and siblings are in the order of their names.
  static func comparePaths(
    _ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer
  ) -> Int {
    let count = min(left.count, right.count)
    var index = 0
    while index < count {
      if left[index] != right[index] { return weight(left[index]) - weight(right[index]) }
      index += 1
    }
    return left.count - right.count
  }

  /// No path has a NUL, so 0 is free for the slash.
  private static func weight(_ byte: UInt8) -> Int {
    byte == UInt8(ascii: "/") ? 0 : Int(byte)
  }
}
