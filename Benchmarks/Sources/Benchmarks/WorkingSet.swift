import Machine

/// What one CPU holds of what it can take and give back: it always holds as much, but not the same.
struct WorkingSet {
  typealias Memory = UnsafeMutablePointer<UInt>

  /// How many things a CPU holds, and how many of them it replaces in a round.
  private static let placeCount = 64
  private static let replacedCount = 8

  /// The state of the random numbers, and a line after it the places; 0 is an empty place.
  private let memory: Memory

  /// Memory for an empty working set, on lines of its own.
  static func makeMemory() -> Memory {
    let words = 8 + placeCount
    let memory = UnsafeMutableRawPointer.allocate(byteCount: words * 8, alignment: 4096)
      .bindMemory(to: UInt.self, capacity: words)
    memory.initialize(repeating: 0, count: words)
    return memory
  }

  @inline(__always)
  init(_ memory: Memory) { self.memory = memory }

  /// Gives some things back and takes others in their places. In between the other CPUs may take
  /// what was given.
  @inline(__always)
  func replaceSome(give: (UInt) -> Void, take: (_ place: Int) -> UInt) {
    // The constants of Knuth's MMIX; of such numbers the high bits are good.
    memory[0] = memory[0] &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    let first = Int(memory[0] >> 40)
    for step in 0..<Self.replacedCount {
      let place = (first + step * 7) % Self.placeCount
      if memory[8 + place] != 0 { give(memory[8 + place]) }
    }
    Processor.pause()
    for step in 0..<Self.replacedCount {
      let place = (first + step * 7) % Self.placeCount
      memory[8 + place] = take(place)
    }
  }
}
