/// One worker for each thread that may take part.
///
/// In each phase a thread writes to its own worker only. The tables that all workers read while they
/// merge are no longer written then.
struct Workers: ~Copyable, @unchecked Sendable {
  private let workers: UnsafeMutableBufferPointer<Worker>

  init(count: Int) {
    workers = .allocate(capacity: count)
    for index in 0..<count { workers.initializeElement(at: index, to: Worker()) }
  }

  deinit {
    workers.deinitialize().deallocate()
  }

  /// The number of workers.
  var count: Int { workers.count }

  /// Counts a chunk for the worker with this index.
  func count(_ chunk: Corpus.Chunk, of corpus: Corpus, worker index: Int) {
    workers[index].count(chunk, of: corpus)
  }

  /// Lets the worker with this index merge its share.
  func merge(share: Int, limit: Int) {
    var merged = WordTable(.merging)
    let shareCount = UInt64(count)
    for index in 0..<count {
      workers[index].table.forEachEntry { entry in
        // The highest bits of the hash choose the share.
        if Int((entry.word.hash >> 32) * shareCount >> 32) == share {
          merged.add(entry.word, times: entry.count)
        }
      }
    }
    var top = TopWords(limit: limit)
    merged.forEachEntry { top.offer($0) }
    workers[share].result = ShareResult(top: top, distinctCount: merged.count)
  }

  /// The most frequent words of all shares together.
  func top(limit: Int) -> [WordTable.Entry] {
    var top = TopWords(limit: limit)
    for index in 0..<count { top.offer(workers[index].result.top) }
    return top.sorted()
  }

  /// What each worker did.
  var work: [Work] {
    (0..<count).map { workers[$0].work }
  }

  /// The number of different words.
  var distinctCount: Int {
    (0..<count).reduce(0) { $0 + workers[$1].result.distinctCount }
  }
}
