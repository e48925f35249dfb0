/// The header of an entry of a newc archive: a magic number and 13 fields of 8 hexadecimal digits.
struct ArchiveHeader {
  static var byteCount: Int { 110 }

  let hasChecksum: Bool
  let inode: UInt32
  let mode: UInt32
  let linkCount: UInt32
  let contentCount: Int
  let deviceMajor: UInt32
  let deviceMinor: UInt32
  /// With the NUL at the end.
  let nameCount: Int
  let checksum: UInt32

  init(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(ArchiveError) {
    guard bytes.count - offset >= 6 else {
      throw ArchiveError(reason: .truncated, offset: offset)
    }
    hasChecksum = try Self.magic(bytes, at: offset)
    guard bytes.count - offset >= Self.byteCount else {
      throw ArchiveError(reason: .truncated, offset: offset)
    }
    var fields = InlineArray<13, UInt32>(repeating: 0)
    for index in 0..<13 {
      fields[index] = try Self.field(index, of: bytes, at: offset)
    }
    inode = fields[0]
    mode = fields[1]
    linkCount = fields[4]
    contentCount = Int(fields[6])
    deviceMajor = fields[7]
    deviceMinor = fields[8]
    nameCount = Int(fields[11])
    checksum = fields[12]
  }

  /// Whether the magic number is the one of archives with checksums.
  private static func magic(
    _ bytes: UnsafeRawBufferPointer, at offset: Int
  ) throws(ArchiveError) -> Bool {
    let matches = StaticString("07070").withUTF8Buffer { expected in
      for index in 0..<expected.count where bytes[offset + index] != expected[index] {
        return false
      }
      return true
    }
    guard matches else { throw ArchiveError(reason: .badMagic, offset: offset) }
    switch bytes[offset + 5] {
    case UInt8(ascii: "1"): return false
    case UInt8(ascii: "2"): return true
    default: throw ArchiveError(reason: .badMagic, offset: offset)
    }
  }

  private static func field(
    _ index: Int, of bytes: UnsafeRawBufferPointer, at offset: Int
  ) throws(ArchiveError) -> UInt32 {
    let start = offset + 6 + index * 8
    var value: UInt32 = 0
    for position in start..<start + 8 {
      let digit: UInt8
      switch bytes[position] {
      case let byte where byte >= 0x30 && byte <= 0x39: digit = byte - 0x30
      case let byte where byte >= 0x41 && byte <= 0x46: digit = byte - 0x41 + 10
      case let byte where byte >= 0x61 && byte <= 0x66: digit = byte - 0x61 + 10
      default: throw ArchiveError(reason: .badField, offset: position)
      }
      value = value << 4 | UInt32(digit)
    }
    return value
  }
}
