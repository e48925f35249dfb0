/// Eight bytes of text at once, with the first in the lowest bits.
struct LetterBlock {
  /// The bytes with every upper-case letter made lower case; other bytes may be changed too.
  let lowerCased: UInt64
  /// The highest bit of each byte that is an ASCII letter.
  private let letterBits: UInt64

  private static let highBits: UInt64 = 0x8080_8080_8080_8080

  init(_ bytes: UInt64) {
    lowerCased = bytes | 0x2020_2020_2020_2020
    let low = lowerCased & ~Self.highBits
    // Adding carries into a byte's highest bit from "a" on, and from the one behind "z" on.
    let fromA = low &+ 0x1F1F_1F1F_1F1F_1F1F
    let beyondZ = low &+ 0x0505_0505_0505_0505
    letterBits = fromA & ~beyondZ & ~bytes & Self.highBits
  }

  /// How many bytes come before the first letter; 8 when there is none.
  var countBeforeLetter: Int {
    letterBits.trailingZeroBitCount / 8
  }

  /// How many letters come before the first other byte; 8 when there is none.
  var letterCount: Int {
    (~letterBits & Self.highBits).trailingZeroBitCount / 8
  }

  /// The first `count` bytes, below 8, lower-cased, and zeroes.
  func prefix(_ count: Int) -> UInt64 {
    lowerCased & ((1 << UInt64(count * 8)) &- 1)
  }

  /// The eight bytes at `offset`; those beyond the end of the text are zeroes.
  static func load(_ text: UnsafeRawBufferPointer, at offset: Int) -> LetterBlock {
    if offset <= text.count - 8 {
      return LetterBlock(text.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    var bytes: UInt64 = 0
    var position = text.count
    while position > offset {
      position -= 1
      bytes = bytes << 8 | UInt64(text[position])
    }
    return LetterBlock(bytes)
  }
}
