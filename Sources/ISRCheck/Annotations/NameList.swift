/// Many names in one piece of memory, to be searched for patterns.
///
/// Going through 150,000 names one by one for each of 50 patterns takes too long. So the longest
/// ordinary text of a pattern is searched for in all names at once, and only names that contain it
/// are looked at.
struct NameList {
  private var bytes: [UInt8] = []
  /// Where each name begins, and at last the end.
  private var starts: [Int] = [0]

  init(_ names: [String]) {
    starts.reserveCapacity(names.count + 1)
    for name in names {
      bytes.append(contentsOf: name.utf8)
      starts.append(bytes.count)
    }
  }

  var count: Int { starts.count - 1 }

  /// The rows of the names that match, in order.
  func rows(matching glob: Glob) -> [Int] {
    let literal = Literal(glob.longestLiteral)
    return bytes.withUnsafeBufferPointer { bytes in
      var rows: [Int] = []
      var row = 0
      while row < count {
        guard let found = literal.firstOffset(in: bytes, from: starts[row]) else { break }
        if !literal.text.isEmpty { row = self.row(of: found, from: row) }
        if glob.matches(UnsafeBufferPointer(rebasing: bytes[starts[row]..<starts[row + 1]])) {
          rows.append(row)
        }
        row += 1
      }
      return rows
    }
  }

  /// The row of a byte that is in this row or a later one.
  private func row(of offset: Int, from first: Int) -> Int {
    var low = first
    var high = count - 1
    while low < high {
      let middle = low + (high - low + 1) / 2
      if starts[middle] <= offset { low = middle } else { high = middle - 1 }
    }
    return low
  }
}

/// A text to search for, by Horspool's method (1980): the byte under the text's end says how far
/// the text can be moved.
private struct Literal {
  let text: [UInt8]
  private let steps: [Int]

  init(_ text: [UInt8]) {
    self.text = text
    var steps = [Int](repeating: max(text.count, 1), count: 256)
    for (index, byte) in text.dropLast().enumerated() { steps[Int(byte)] = text.count - 1 - index }
    self.steps = steps
  }

  /// Where the text is found first from `start` on; the empty text is found at once.
  func firstOffset(in bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    guard let last = text.last else { return start }
    return text.withUnsafeBufferPointer { text in
      steps.withUnsafeBufferPointer { steps in
        var end = start + text.count - 1
        while end < bytes.count {
          let byte = bytes[end]
          if byte == last {
            let begin = end - text.count + 1
            var index = 0
            while index < text.count - 1, bytes[begin + index] == text[index] { index += 1 }
            if index == text.count - 1 { return begin }
          }
          end += steps[Int(byte)]
        }
        return nil
      }
    }
  }
}
