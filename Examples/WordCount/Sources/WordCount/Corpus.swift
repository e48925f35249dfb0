/// The texts to count, cut into chunks that are worked on independently of each other.
///
/// The texts stay in place and are never written, so all CPUs may read them.
struct Corpus: @unchecked Sendable {
  /// A part of a text, never empty.
  struct Chunk {
    let text: Int
    let part: Range<Int>
  }

  /// Every text, empty ones included.
  let texts: [UnsafeRawBufferPointer]
  /// All parts of all texts.
  let chunks: [Chunk]
  /// The size of all texts.
  let byteCount: Int

  /// Cuts texts into enough chunks for `workerCount` workers to end at about the same time.
  init(_ texts: [UnsafeRawBufferPointer], workerCount: Int) {
    self.texts = texts
    var byteCount = 0
    for text in texts { byteCount += text.count }
    self.byteCount = byteCount
    let chunkSize = min(256 << 10, max(4 << 10, byteCount / (workerCount * 16)))
    var chunks: [Chunk] = []
    for index in 0..<texts.count {
      var start = 0
      while start < texts[index].count {
        let end = min(texts[index].count, start + chunkSize)
        chunks.append(Chunk(text: index, part: start..<end))
        start = end
      }
    }
    self.chunks = chunks
  }

  /// The words that begin in a chunk.
  func words(in chunk: Chunk) -> WordScanner {
    WordScanner(texts[chunk.text], in: chunk.part)
  }
}
