/// Which frames are free: one bit each, 1 for free. No lock, no memory of its own.
struct FrameBitmap {
  let words: UnsafeMutablePointer<UInt64>
  let frameCount: Int
  /// Words before this one have no free frame.
  private var firstCandidate = 0

  init(words: UnsafeMutablePointer<UInt64>, frameCount: Int) {
    self.words = words
    self.frameCount = frameCount
    words.update(repeating: 0, count: Self.wordCount(for: frameCount))
  }

  static func wordCount(for frameCount: Int) -> Int { (frameCount + 63) / 64 }

  /// Whether all frames from `start` on are free, or all are taken.
  func allAre(free: Bool, from start: Int, count: Int) -> Bool {
    free
      ? nextTaken(from: start, limit: start + count) == start + count
      : nextFree(from: start, limit: start + count) == start + count
  }

  /// Marks a range of frames.
  mutating func set(free: Bool, from start: Int, count: Int) {
    var frame = start
    let end = start + count
    while frame < end {
      let bit = frame % 64
      let width = Swift.min(64 - bit, end - frame)
      let mask = (width == 64 ? UInt64.max : (1 << UInt64(width)) - 1) << UInt64(bit)
      if free { words[frame / 64] |= mask } else { words[frame / 64] &= ~mask }
      frame += width
    }
    if free { firstCandidate = Swift.min(firstCandidate, start / 64) }
  }

  /// Finds `count` free frames in a row that start at a multiple of `alignment` and end at or
  /// below `limit`, lowest first.
  mutating func find(count: Int, alignment: Int, limit: Int) -> Int? {
    let limit = Swift.min(limit, frameCount)
    while firstCandidate * 64 < frameCount, words[firstCandidate] == 0 { firstCandidate += 1 }
    var start = firstCandidate * 64
    while true {
      start = nextFree(from: start, limit: limit)
      start = (start + alignment - 1) / alignment * alignment
      guard start < limit, count <= limit - start else { return nil }
      let end = nextTaken(from: start, limit: start + count)
      if end == start + count { return start }
      start = end + 1
    }
  }

  private func nextFree(from start: Int, limit: Int) -> Int {
    next(from: start, limit: limit) { $0 }
  }

  private func nextTaken(from start: Int, limit: Int) -> Int {
    next(from: start, limit: limit) { ~$0 }
  }

  /// The first frame at or after `start` whose bit is set in the word that `transform` makes of
  /// the map's; `limit` if there is none before.
  @inline(__always)
  private func next(from start: Int, limit: Int, _ transform: (UInt64) -> UInt64) -> Int {
    var frame = start
    while frame < limit {
      let word = transform(words[frame / 64]) >> UInt64(frame % 64)
      if word != 0 { return Swift.min(frame + word.trailingZeroBitCount, limit) }
      frame = (frame / 64 + 1) * 64
    }
    return limit
  }
}
