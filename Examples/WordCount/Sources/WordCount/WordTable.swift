/// How often each word was met: a hash table with open addressing that one CPU uses alone.
///
/// A place takes 32 bytes, and between a third and two thirds of the places are taken. While the
/// table grows, the old places and twice as many new ones are there.
struct WordTable: ~Copyable {
  /// A word and how often it was met; a count of 0 marks a free place.
  struct Entry {
    let word: Word
    var count: Int
  }

  private var places: UnsafeMutableBufferPointer<Entry>
  private let order: Order
  /// The number of different words.
  private(set) var count = 0

  /// How hashes are spread over the places. Words that come in the order of one table must go into
  /// a table with the other order: in their own they would crowd at its beginning while it is
  /// still small, and every search would go through the crowd.
  enum Order: UInt64 {
    case counting = 1
    case merging = 0x9E37_79B9_7F4A_7C15
  }

  init(_ order: Order) {
    self.order = order
    places = Self.freePlaces(1024)
  }

  deinit {
    places.deallocate()
  }

  /// Counts `times` occurrences of a word.
  mutating func add(_ word: Word, times: Int = 1) {
    let index = place(of: word)
    guard places[index].count == 0 else {
      places[index].count += times
      return
    }
    places[index] = Entry(word: word, count: times)
    count += 1
    if count > places.count / 3 * 2 { grow() }
  }

  /// Hands every word of the table to `body`.
  func forEachEntry(_ body: (Entry) -> Void) {
    for index in 0..<places.count where places[index].count > 0 {
      body(places[index])
    }
  }

  private func place(of word: Word) -> Int {
    let mask = places.count - 1
    var index = home(of: word)
    while places[index].count > 0 && !places[index].word.isEqual(to: word) {
      index = (index + 1) & mask
    }
    return index
  }

  /// The place where the search for a word begins.
  private func home(of word: Word) -> Int {
    Int(truncatingIfNeeded: (word.hash &* order.rawValue) >> 32) & (places.count - 1)
  }

  private mutating func grow() {
    let old = places
    places = Self.freePlaces(old.count * 2)
    let mask = places.count - 1
    for entry in old where entry.count > 0 {
      var index = home(of: entry.word)
      while places[index].count > 0 { index = (index + 1) & mask }
      places[index] = entry
    }
    old.deallocate()
  }

  private static func freePlaces(_ count: Int) -> UnsafeMutableBufferPointer<Entry> {
    let places = UnsafeMutableBufferPointer<Entry>.allocate(capacity: count)
    let nothing = Word(letters: UnsafeRawBufferPointer(start: nil, count: 0), hash: 0)
    places.initialize(repeating: Entry(word: nothing, count: 0))
    return places
  }
}
