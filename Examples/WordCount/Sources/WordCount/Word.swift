/// A run of ASCII letters, which stays where it stands in its file. Upper and lower case letters
/// are the same.
struct Word {
  /// The letters as the file has them.
  let letters: UnsafeRawBufferPointer
  /// A number that equal words share.
  let hash: UInt64

  /// Whether the words are the same.
  func isEqual(to other: Word) -> Bool {
    guard hash == other.hash, letters.count == other.letters.count else { return false }
    var offset = 0
    while offset < letters.count {
      // Beyond the end of both there are zeroes, so whole blocks can be compared.
      let left = LetterBlock.load(letters, at: offset).lowerCased
      let right = LetterBlock.load(other.letters, at: offset).lowerCased
      if left != right { return false }
      offset += 8
    }
    return true
  }

  /// Whether the word comes before the other one in a dictionary.
  func precedes(_ other: Word) -> Bool {
    let count = min(letters.count, other.letters.count)
    var offset = 0
    while offset < count {
      let left = LetterBlock.load(letters, at: offset).lowerCased
      let right = LetterBlock.load(other.letters, at: offset).lowerCased
      // The first letter is in the lowest bits, but must weigh the most. Behind the end of the
      // shorter word stand blanks, which come before all letters.
      if left != right { return left.byteSwapped < right.byteSwapped }
      offset += 8
    }
    return letters.count < other.letters.count
  }
}

/// Makes the hash of a word from its letters, eight at a time.
struct WordHash {
  private var state: UInt64 = 0x9E37_79B9_7F4A_7C15

  mutating func combine(_ block: UInt64) {
    state = (state ^ block) &* 0xFF51_AFD7_ED55_8CCD
    state ^= state >> 32
  }

  /// The hash, good in all of its bits.
  func value(letterCount: Int) -> UInt64 {
    var value = (state ^ UInt64(letterCount)) &* 0xC4CE_B9FE_1A85_EC53
    value ^= value >> 29
    value = value &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 32)
  }
}
