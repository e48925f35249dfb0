/// The words that begin in one part of a text. The last one may reach beyond the part, and a word
/// that has begun before it is passed over.
struct WordScanner {
  private let text: UnsafeRawBufferPointer
  private let end: Int
  private var position: Int

  init(_ text: UnsafeRawBufferPointer, in part: Range<Int>) {
    self.text = text
    end = part.upperBound
    position = part.lowerBound
    if position > 0 && LetterBlock.load(text, at: position - 1).letterCount > 0 {
      skipLetters()
    }
  }

  /// The next word, or nil when no more begins in the part.
  mutating func next() -> Word? {
    while position < end {
      let gap = LetterBlock.load(text, at: position).countBeforeLetter
      position += gap
      if gap < 8 { break }
    }
    guard position < end else { return nil }
    let start = position
    var hash = WordHash()
    while true {
      let block = LetterBlock.load(text, at: position)
      let count = block.letterCount
      position += count
      guard count == 8 else {
        if count > 0 { hash.combine(block.prefix(count)) }
        break
      }
      hash.combine(block.lowerCased)
    }
    let letters = UnsafeRawBufferPointer(rebasing: text[start..<position])
    return Word(letters: letters, hash: hash.value(letterCount: letters.count))
  }

  /// Goes to the end of the letters here, or to the end of the part when that comes first: with a
  /// word as long as the file, each part's look must not go through all that follows.
  private mutating func skipLetters() {
    while position < end {
      let count = LetterBlock.load(text, at: position).letterCount
      position += count
      if count < 8 { return }
    }
  }
}
