/// What may have been meant by a misspelt word.
enum Spelling {
  /// The word that differs in the fewest letters (Levenshtein, 1966), or `nil` if each differs in
  /// more than a third of the longer one, and in more than one.
  static func nearest(to text: String, in words: [String]) -> String? {
    let text = Array(text.utf8.prefix(64))
    var best: (word: String, distance: Int)?
    for word in words {
      let letters = Array(word.utf8)
      let found = distance(text, letters)
      guard found <= max(1, max(text.count, letters.count) / 3), found < text.count else {
        continue
      }
      if best.map({ found < $0.distance }) ?? true { best = (word, found) }
    }
    return best?.word
  }

  private static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
    var row = Array(0...second.count)
    for (index, letter) in first.enumerated() {
      var diagonal = row[0]
      row[0] = index + 1
      for (column, other) in second.enumerated() {
        let changed = diagonal + (letter == other ? 0 : 1)
        diagonal = row[column + 1]
        row[column + 1] = min(changed, row[column] + 1, diagonal + 1)
      }
    }
    return row[second.count]
  }
}
