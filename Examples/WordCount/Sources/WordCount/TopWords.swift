/// The most frequent words of all that were offered: a heap of bounded size with the least
/// frequent word on top.
struct TopWords {
  private let limit: Int
  private var heap: [WordTable.Entry] = []

  /// Keeps at most `limit` words.
  init(limit: Int) {
    self.limit = limit
  }

  /// Whether `left` stands above `right` in the result: met more often, or as often and earlier in
  /// a dictionary.
  static func ranks(_ left: WordTable.Entry, above right: WordTable.Entry) -> Bool {
    left.count == right.count
      ? left.word.precedes(right.word) : left.count > right.count
  }

  /// Takes the word if it is among the most frequent ones so far.
  mutating func offer(_ entry: WordTable.Entry) {
    if heap.count < limit {
      heap.append(entry)
      siftUp(heap.count - 1)
    } else if limit > 0 && Self.ranks(entry, above: heap[0]) {
      heap[0] = entry
      siftDown(0)
    }
  }

  /// Takes all words of another selection into account.
  mutating func offer(_ other: TopWords) {
    for entry in other.heap { offer(entry) }
  }

  /// The words, the most frequent one first.
  func sorted() -> [WordTable.Entry] {
    heap.sorted { Self.ranks($0, above: $1) }
  }

  private mutating func siftUp(_ start: Int) {
    var index = start
    while index > 0 {
      let parent = (index - 1) / 2
      guard Self.ranks(heap[parent], above: heap[index]) else { return }
      heap.swapAt(parent, index)
      index = parent
    }
  }

  private mutating func siftDown(_ start: Int) {
    var index = start
    while true {
      var lowest = index
      for child in 2 * index + 1...2 * index + 2 where child < heap.count {
        if Self.ranks(heap[lowest], above: heap[child]) { lowest = child }
      }
      guard lowest != index else { return }
      heap.swapAt(lowest, index)
      index = lowest
    }
  }
}
