/// What one thread has counted.
struct Worker: ~Copyable {
  /// The words of its chunks.
  private(set) var table = WordTable(.counting)
  /// How much it did.
  private(set) var work = Work()
  /// What came out of its share of the words of all workers.
  var result = ShareResult(top: TopWords(limit: 0), distinctCount: 0)

  /// Counts the words of one chunk.
  mutating func count(_ chunk: Corpus.Chunk, of corpus: Corpus) {
    var words = corpus.words(in: chunk)
    while let word = words.next() {
      table.add(word)
      work.words += 1
    }
    work.chunks += 1
    work.bytes += chunk.part.count
  }
}

/// The words whose hashes belong to one share, with the counts of all workers added up.
struct ShareResult {
  /// The most frequent ones.
  let top: TopWords
  /// The number of different ones.
  let distinctCount: Int
}
