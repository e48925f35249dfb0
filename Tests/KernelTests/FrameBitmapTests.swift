import TestSupport
import Testing

@testable import PhysicalMemory

@Suite struct FrameBitmapTests {
  /// A bitmap beside the array of truth values that it stands for.
  private struct Pair {
    var bitmap: FrameBitmap
    var isFree: [Bool]

    init(frameCount: Int) {
      let words = UnsafeMutablePointer<UInt64>.allocate(
        capacity: FrameBitmap.wordCount(for: frameCount))
      bitmap = FrameBitmap(words: words, frameCount: frameCount)
      isFree = Array(repeating: false, count: frameCount)
    }

    mutating func set(free: Bool, from start: Int, count: Int) {
      bitmap.set(free: free, from: start, count: count)
      for frame in start..<start + count { isFree[frame] = free }
    }

    func firstRun(count: Int, alignment: Int, limit: Int) -> Int? {
      stride(from: 0, to: isFree.count, by: alignment).first { start in
        start + count <= min(limit, isFree.count)
          && isFree[start..<start + count].allSatisfy { $0 }
      }
    }
  }

  @Test func startsWithAllFramesTaken() {
    let pair = Pair(frameCount: 130)
    defer { pair.bitmap.words.deallocate() }
    var bitmap = pair.bitmap
    #expect(bitmap.allAre(free: false, from: 0, count: 130))
    #expect(bitmap.find(count: 1, alignment: 1, limit: .max) == nil)
  }

  @Test(arguments: [1, 63, 64, 65, 128, 300])
  func agreesWithAnArrayOfTruthValues(frameCount: Int) {
    var random = SplitMix64(seed: UInt64(frameCount))
    var pair = Pair(frameCount: frameCount)
    defer { pair.bitmap.words.deallocate() }
    for step in 0..<3000 {
      let start = Int.random(in: 0..<frameCount, using: &random)
      let count = Int.random(in: 1...min(frameCount - start, 140), using: &random)
      switch Int.random(in: 0..<4, using: &random) {
      case 0: pair.set(free: true, from: start, count: count)
      case 1: pair.set(free: false, from: start, count: min(count, 20))
      case 2:
        for free in [true, false] {
          #expect(
            pair.bitmap.allAre(free: free, from: start, count: count)
              == pair.isFree[start..<start + count].allSatisfy { $0 == free }, "step \(step)")
        }
      default:
        let alignment = 1 << Int.random(in: 0...6, using: &random)
        let limit = Bool.random(using: &random) ? Int.max : start
        let wanted = Bool.random(using: &random) ? 1 : count
        #expect(
          pair.bitmap.find(count: wanted, alignment: alignment, limit: limit)
            == pair.firstRun(count: wanted, alignment: alignment, limit: limit), "step \(step)")
      }
    }
  }

  @Test func findsARunAcrossWordsAndAtTheEnd() {
    var pair = Pair(frameCount: 200)
    defer { pair.bitmap.words.deallocate() }
    pair.set(free: true, from: 60, count: 72)
    #expect(pair.bitmap.find(count: 72, alignment: 1, limit: .max) == 60)
    #expect(pair.bitmap.find(count: 73, alignment: 1, limit: .max) == nil)
    pair.set(free: true, from: 196, count: 4)
    pair.set(free: false, from: 60, count: 72)
    #expect(pair.bitmap.find(count: 4, alignment: 4, limit: .max) == 196)
    #expect(pair.bitmap.find(count: 4, alignment: 4, limit: 199) == nil)
    #expect(pair.bitmap.find(count: 5, alignment: 1, limit: .max) == nil)
  }
}
