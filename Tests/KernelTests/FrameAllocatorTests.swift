import Boot
import Machine
import PhysicalMemory
import TestSupport
import Testing

/// An allocator of its own with memory from address 0 to `end`, of which some ranges are usable.
private struct Fixture: ~Copyable, @unchecked Sendable {
  let allocator = FrameAllocator()
  let metadata: UnsafeMutableRawPointer
  let usable: [PhysicalRange]

  init(upTo end: UInt64, usable: [PhysicalRange]) {
    metadata = .allocate(byteCount: FrameAllocator.metadataByteCount(upTo: end), alignment: 8)
    allocator.initialize(upTo: end, metadata: metadata)
    for range in usable { allocator.add(range) }
    self.usable = usable
  }

  deinit { metadata.deallocate() }

  /// The numbers of the frames that lie in usable memory as a whole.
  var frames: Set<UInt64> {
    var result: Set<UInt64> = []
    for range in usable {
      for frame in 0..<range.end.rawValue / 4096 where frame * 4096 >= range.start.rawValue {
        result.insert(frame)
      }
    }
    return result
  }
}

/// Three ranges with holes between them, borders that are no frame borders, and the last one up to
/// the end of memory.
private let ranges = [
  PhysicalRange(start: UInt64(0x1001), end: UInt64(0x42FFF)),
  PhysicalRange(start: UInt64(0x44000), end: UInt64(0x120_000)),
  PhysicalRange(start: UInt64(0x140_000), end: UInt64(0x1F3_000)),
]
private let end: UInt64 = 0x1F3_000

@Suite struct FrameAllocatorTests {
  @Test func onlyWholeUsableFramesCount() {
    let fixture = Fixture(upTo: end, usable: ranges)
    #expect(fixture.frames.contains(2) && !fixture.frames.contains(1))
    #expect(fixture.frames.contains(0x41) && !fixture.frames.contains(0x42))
    #expect(fixture.allocator.usableFrameCount == fixture.frames.count)
    #expect(fixture.allocator.freeFrameCount == fixture.frames.count)
  }

  @Test func withoutMemoryThereAreNoFrames() {
    let allocator = FrameAllocator()
    #expect(throws: FrameAllocatorError.outOfFrames) { try allocator.allocate() }
    #expect(allocator.freeFrameCount == 0)
  }

  @Test(arguments: 1...8 as ClosedRange<UInt64>)
  func agreesWithASetOfFrames(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let fixture = Fixture(upTo: end, usable: ranges)
    var free = fixture.frames
    let all = free.count
    var held: [(start: UInt64, count: Int)] = []
    for step in 0..<2000 {
      if !held.isEmpty, Int.random(in: 0..<10, using: &random) < 4 {
        let run = held.remove(at: .random(in: held.indices, using: &random))
        fixture.allocator.free(PhysicalAddress(run.start * 4096), count: run.count)
        free.formUnion(run.start..<run.start + UInt64(run.count))
      } else {
        let count =
          Bool.random(using: &random) ? 1 : Int.random(in: 1...100, using: &random)
        let alignment: UInt64 = 4096 << UInt64.random(in: 0...5, using: &random)
        let limit: UInt64 =
          Bool.random(using: &random) ? .max : .random(in: 0...end, using: &random)
        let run = try? fixture.allocator.allocate(
          count: count, alignment: alignment, below: limit)
        if let run {
          let start = run.rawValue / 4096
          let frames = Set(start..<start + UInt64(count))
          #expect(run.rawValue % alignment == 0, "step \(step)")
          #expect(run.rawValue + UInt64(count) * 4096 <= limit, "step \(step)")
          try #require(frames.isSubset(of: free), "step \(step): frames are handed out twice")
          free.subtract(frames)
          held.append((start, count))
        } else {
          let possible = stride(from: 0, to: end / 4096, by: Int(alignment / 4096)).contains {
            ($0 + UInt64(count)) * 4096 <= limit
              && free.isSuperset(of: $0..<$0 + UInt64(count))
          }
          #expect(!possible, "step \(step): there is a run of \(count) frames")
        }
      }
      try #require(fixture.allocator.freeFrameCount == free.count, "step \(step)")
    }
    for run in held {
      fixture.allocator.free(PhysicalAddress(run.start * 4096), count: run.count)
    }
    #expect(fixture.allocator.freeFrameCount == all)
  }

  @Test func exhaustionIsAnErrorAndChangesNothing() throws {
    let fixture = Fixture(upTo: end, usable: ranges)
    var taken: [PhysicalAddress] = []
    while let frame = try? fixture.allocator.allocate() { taken.append(frame) }
    #expect(Set(taken.map { $0.rawValue / 4096 }) == fixture.frames)
    #expect(taken.count == fixture.frames.count)
    #expect(fixture.allocator.freeFrameCount == 0)
    #expect(throws: FrameAllocatorError.outOfFrames) { try fixture.allocator.allocate() }
    #expect(fixture.allocator.freeFrameCount == 0)
    for frame in taken { fixture.allocator.free(frame) }
    #expect(fixture.allocator.freeFrameCount == taken.count)
    // What is free again can be had again.
    for _ in taken { _ = try fixture.allocator.allocate() }
    #expect(fixture.allocator.freeFrameCount == 0)
  }

  @Test func theLastRangeCanBeHadAsOneRun() throws {
    let fixture = Fixture(upTo: end, usable: ranges)
    let count = Int(ranges[2].byteCount / 4096)
    #expect(
      try fixture.allocator.allocate(count: Int(ranges[1].byteCount / 4096)) == ranges[1].start)
    let run = try fixture.allocator.allocate(count: count - 1, alignment: 0x40_000)
    #expect(run == ranges[2].start)
    #expect(try fixture.allocator.allocate(below: end).rawValue < end)
    #expect(throws: FrameAllocatorError.outOfFrames) {
      try fixture.allocator.allocate(count: .max)
    }
    #expect(throws: FrameAllocatorError.outOfFrames) {
      try fixture.allocator.allocate(count: 0)
    }
  }

  @Test func everyFrameHasARecordOfItsOwn() throws {
    let fixture = Fixture(upTo: end, usable: ranges)
    let frames = fixture.frames
    for frame in frames {
      fixture.allocator.record(of: PhysicalAddress(frame * 4096))?.pointee = UInt32(frame)
    }
    for frame in frames {
      #expect(fixture.allocator.record(of: PhysicalAddress(frame * 4096))?.pointee == UInt32(frame))
    }
    // Records and bitmap do not touch.
    #expect(fixture.allocator.freeFrameCount == frames.count)
    #expect(try fixture.allocator.allocate() == PhysicalAddress(0x2000))
  }

  /// Every thread writes to the frames that it holds: what it reads back must be its own.
  @Test func noFrameHasTwoHoldersAtOnce() {
    let fixture = Fixture(upTo: end, usable: ranges)
    let before = fixture.allocator.freeFrameCount
    let contents = UnsafeMutablePointer<Int>.allocate(capacity: Int(end / 4096))
    defer { contents.deallocate() }
    let address = UInt(bitPattern: contents)
    let violations = Atomic<Int>(0)
    onSimulatedCPUs(4) { index in
      guard let contents = UnsafeMutablePointer<Int>(bitPattern: address) else { return }
      var random = SplitMix64(seed: UInt64(index))
      var held: [(start: Int, count: Int)] = []
      for _ in 0..<3000 {
        let count = Int.random(in: 1...8, using: &random)
        if held.count < 20, let run = try? fixture.allocator.allocate(count: count) {
          let start = Int(run.rawValue / 4096)
          for frame in start..<start + count { contents[frame] = index }
          held.append((start, count))
        } else if let run = held.popLast() {
          for frame in run.start..<run.start + run.count where contents[frame] != index {
            violations.wrappingAdd(1, ordering: .relaxed)
          }
          fixture.allocator.free(PhysicalAddress(UInt64(run.start) * 4096), count: run.count)
        }
      }
      for run in held {
        fixture.allocator.free(PhysicalAddress(UInt64(run.start) * 4096), count: run.count)
      }
    }
    #expect(violations.load(ordering: .relaxed) == 0)
    #expect(fixture.allocator.freeFrameCount == before)
  }

  @Test func whatIsFreeCannotBeFreed() async {
    await #expect(processExitsWith: .failure) {
      let fixture = Fixture(upTo: end, usable: ranges)
      let frame = try fixture.allocator.allocate(count: 2)
      fixture.allocator.free(frame, count: 2)
      fixture.allocator.free(frame)
    }
  }
}
