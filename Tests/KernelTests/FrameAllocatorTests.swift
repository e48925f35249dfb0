import Boot
import Machine
import PerCPU
import TestSupport
import Testing

@testable import PhysicalMemory

private func address(_ frame: Int) -> PhysicalAddress { PhysicalAddress(UInt64(frame) * 4096) }

extension SimulatedMachine {
  @Suite struct FrameAllocatorTests {
    @Test(arguments: [0, 4]) func onlyWholeUsableFramesCount(cpuCount: Int) {
      let fixture = FrameFixture(usable: scatteredRanges, cpuCount: cpuCount)
      let first = Int(SimulatedMachine.spare.start.rawValue / 4096)
      #expect(fixture.frames.contains(first + 2) && !fixture.frames.contains(first + 1))
      #expect(fixture.frames.contains(first + 0x41) && !fixture.frames.contains(first + 0x42))
      #expect(fixture.allocator.usableFrameCount == fixture.frames.count)
      #expect(fixture.allocator.freeFrameCount == fixture.frames.count)
      #expect(fixture.faults() == [])
    }

    @Test func withoutMemoryThereAreNoFrames() {
      let fixture = FrameFixture(usable: [], cpuCount: 1)
      #expect(throws: FrameAllocatorError.outOfFrames) { try fixture.allocate() }
      #expect(throws: FrameAllocatorError.outOfFrames) { try fixture.allocate(count: 5) }
      #expect(throws: FrameAllocatorError.unavailable) { try fixture.allocate(at: address(5)) }
      #expect(fixture.allocator.freeFrameCount == 0)
    }

    @Test func fourBytesAreKeptForEachFrame() {
      #expect(FrameAllocator.metadataByteCount(upTo: 40 << 30) - 40 << 20 < 200)
      #expect(FrameAllocator.cacheByteCount(for: 4) <= 4 * 2048)
    }

    @Test(arguments: [0, 4]) func exhaustionIsAnErrorAndChangesNothing(cpuCount: Int) throws {
      let fixture = FrameFixture(usable: scatteredRanges, cpuCount: cpuCount)
      var taken: [PhysicalAddress] = []
      while let frame = try? fixture.allocator.allocate() { taken.append(frame) }
      #expect(Set(taken.map { Int($0.rawValue / 4096) }) == fixture.frames)
      #expect(taken.count == fixture.frames.count)
      #expect(fixture.allocator.freeFrameCount == 0)
      #expect(throws: FrameAllocatorError.outOfFrames) { try fixture.allocate() }
      #expect(throws: FrameAllocatorError.outOfFrames) {
        try fixture.allocate(count: 2)
      }
      #expect(fixture.faults() == [])
      for frame in taken { fixture.allocator.free(frame) }
      #expect(fixture.allocator.freeFrameCount == taken.count)
      // What is free again can be had again.
      for _ in taken { _ = try fixture.allocator.allocate() }
      #expect(fixture.allocator.freeFrameCount == 0)
    }

    /// The last frames are in the cache of a CPU that does nothing.
    @Test func nothingIsLostInOtherCaches() throws {
      let fixture = FrameFixture(usable: scatteredRanges, cpuCount: 4)
      var taken: [PhysicalAddress] = []
      while let frame = try? fixture.allocator.allocate() { taken.append(frame) }
      for (index, frame) in taken.enumerated() {
        onCPU(index % 3 + 1) { fixture.allocator.free(frame) }
      }
      #expect(fixture.cache(2)?.sizes[0].cached ?? 0 > 50)
      for _ in taken { _ = try fixture.allocator.allocate() }
      #expect(throws: FrameAllocatorError.outOfFrames) { try fixture.allocate() }
      #expect(fixture.faults() == [])
    }

    @Test func aRunIsPutTogetherFromOtherCaches() throws {
      let fixture = FrameFixture(usable: [scatteredRanges[2]], cpuCount: 4)
      let count = fixture.frames.count
      var taken: [PhysicalAddress] = []
      while let frame = try? fixture.allocator.allocate() { taken.append(frame) }
      for (index, frame) in taken.enumerated() {
        onCPU(index % 4) { fixture.allocator.free(frame) }
      }
      #expect(try fixture.allocate(count: count) == scatteredRanges[2].start)
      fixture.allocator.free(scatteredRanges[2].start, count: count)
      fixture.allocator.reclaim()
      #expect(fixture.faults() == [])
    }

    @Test func theLastRangeCanBeHadAsOneRun() throws {
      let fixture = FrameFixture(usable: scatteredRanges)
      let end = scatteredRanges[2].end.rawValue
      let count = Int(scatteredRanges[2].byteCount / 4096)
      #expect(
        try fixture.allocate(count: Int(scatteredRanges[1].byteCount / 4096))
          == scatteredRanges[1].start)
      let run = try fixture.allocator.allocate(count: count - 1, alignment: 0x40_000)
      #expect(run == scatteredRanges[2].start)
      #expect(try fixture.allocate(count: 1, below: end).rawValue < end)
      for count in [0, -1, .max, 1 << 40] {
        #expect(throws: FrameAllocatorError.outOfFrames) {
          try fixture.allocate(count: count)
        }
      }
      #expect(throws: FrameAllocatorError.outOfFrames) {
        try fixture.allocate(count: 1, alignment: 1 << 63)
      }
      #expect(fixture.faults() == [])
    }

    /// More than 4 GiB with holes, and blocks of 1 GiB in it.
    @Test func memoryBeyondFourGigabytes() throws {
      let ranges = [
        PhysicalRange(start: UInt64(65) << 20, end: UInt64(3) << 30),
        PhysicalRange(start: UInt64(4) << 30, end: UInt64(7) << 30),
        PhysicalRange(start: UInt64(7) << 30 + 4096, end: UInt64(9) << 30 - 4096),
      ]
      let fixture = FrameFixture(usable: ranges, cpuCount: 2)
      let total = ranges.reduce(0) { $0 + Int($1.byteCount / 4096) }
      #expect(fixture.allocator.freeFrameCount == total)
      // 1...3, and 4...7 GiB; of the rest one or the other frame is missing.
      #expect(fixture.allocator.statistics.freeBlockCounts[18] == 5)
      let three = try fixture.allocator.allocate(count: 3 << 18, alignment: 1 << 30)
      #expect(three.rawValue == 4 << 30)
      let low = try fixture.allocator.allocate(count: 1000, below: 1 << 30)
      #expect(low.rawValue < 1 << 30)
      #expect(throws: FrameAllocatorError.outOfFrames) {
        try fixture.allocate(count: 1000, below: 65 << 20)
      }
      let most = try fixture.allocator.allocate(count: 2 << 18 - 2)
      #expect(ranges[0].contains(most) || most == ranges[2].start)
      fixture.allocator.free(three, count: 3 << 18)
      fixture.allocator.free(most, count: 2 << 18 - 2)
      fixture.allocator.free(low, count: 1000)
      #expect(fixture.allocator.freeFrameCount == total)
      #expect(fixture.allocator.statistics.freeBlockCounts[18] == 5)
      #expect(fixture.allocator.misuseCount == 0)
    }

    /// 16 frames in a row have their records on one cache line: it is one CPU's.
    @Test func aCPUIsGivenWholeLinesOfRecords() throws {
      let fixture = FrameFixture(usable: scatteredRanges, cpuCount: 4)
      var lines: [Set<UInt64>] = []
      for index in 0..<4 {
        lines.append(
          try onCPU(index) {
            Set(try (0..<16).map { _ in try fixture.allocator.allocate().rawValue / 65536 })
          })
      }
      #expect(lines.allSatisfy { $0.count == 1 })
      #expect(lines.reduce(Set()) { $0.union($1) }.count == 4)
    }

    @Test func exactlyThisFrame() throws {
      let fixture = FrameFixture(usable: scatteredRanges, cpuCount: 4)
      let before = fixture.allocator.freeFrameCount
      let start = scatteredRanges[1].start
      try fixture.allocator.allocate(at: start, count: 3)
      #expect(throws: FrameAllocatorError.unavailable) { try fixture.allocate(at: start) }
      #expect(throws: FrameAllocatorError.unavailable) {
        try fixture.allocate(at: PhysicalAddress(start.rawValue - 4096))
      }
      #expect(throws: FrameAllocatorError.unavailable) {
        try fixture.allocate(at: PhysicalAddress(start.rawValue + 4096 * 100 + 8))
      }
      // A frame that lies in some CPU's cache.
      let frame = try onCPU(3) {
        let frame = try fixture.allocator.allocate()
        fixture.allocator.free(frame)
        return frame
      }
      try fixture.allocator.allocate(at: frame)
      #expect(throws: FrameAllocatorError.unavailable) { try fixture.allocate(at: frame) }
      #expect(fixture.allocator.freeFrameCount == before - 4)
      fixture.allocator.free(frame)
      fixture.allocator.free(start, count: 3)
      #expect(fixture.allocator.freeFrameCount == before)
      fixture.allocator.reclaim()
      #expect(fixture.faults() == [])
    }

    @Test func aPartOfARunCanBeFreed() throws {
      let fixture = FrameFixture(usable: scatteredRanges, cpuCount: 1)
      let before = fixture.allocator.freeFrameCount
      let run = try fixture.allocator.allocate(count: 64, alignment: 64 * 4096)
      fixture.allocator.free(PhysicalAddress(run.rawValue + 5 * 4096), count: 30)
      #expect(fixture.allocator.freeFrameCount == before - 34)
      #expect(fixture.faults() == [])
      for frame in 0..<64 where !(5..<35).contains(frame) {
        fixture.allocator.free(PhysicalAddress(run.rawValue + UInt64(frame) * 4096))
      }
      #expect(fixture.allocator.freeFrameCount == before)
      #expect(fixture.allocator.misuseCount == 0)
    }

    @Test func zeroedFramesAreZeros() throws {
      let fixture = FrameFixture(usable: [scatteredRanges[1]], cpuCount: 2)
      let before = fixture.allocator.freeFrameCount
      var taken: [PhysicalAddress] = []
      while let frame = try? fixture.allocator.allocate() {
        let page = try #require(PhysicalMemoryWindow.pointer(to: frame.rawValue))
        page.initializeMemory(as: UInt8.self, repeating: 0xA5, count: 4096)
        taken.append(frame)
      }
      for frame in taken { fixture.allocator.free(frame) }
      // Nobody has asked for any yet.
      #expect(!fixture.zeroAhead())
      fixture.allocator.free(try fixture.allocator.allocateZeroed())
      for _ in 0..<10 { #expect(fixture.zeroAhead()) }
      #expect(fixture.cache(0)?.sizes[5].cached == 10)
      #expect(fixture.allocator.freeFrameCount == before)
      // Who is wanted meanwhile zeroes nothing more.
      var questions = 0
      #expect(
        fixture.zeroAhead {
          questions += 1
          return questions == 5
        })
      #expect(questions == 5)
      #expect(fixture.cache(0)?.sizes[5].cached == 10)
      for _ in 0..<40 {
        let frame = try fixture.allocator.allocateZeroed()
        let page = UnsafeRawBufferPointer(
          start: PhysicalMemoryWindow.pointer(to: frame.rawValue), count: 4096)
        #expect(page.allSatisfy { $0 == 0 })
      }
      #expect(fixture.cache(0)?.sizes[5].allocations == 10)
      #expect(fixture.allocator.freeFrameCount == before - 40)
      // More than there is room for, and then none is left for others.
      while fixture.zeroAhead() {}
      #expect(fixture.cache(0)?.sizes[5].cached == 16)
      #expect(fixture.allocator.freeFrameCount == before - 40)
      onCPU(1) { while (try? fixture.allocator.allocate()) != nil {} }
      #expect(fixture.allocator.freeFrameCount == 0)
      // All was taken back, so memory is short.
      fixture.allocator.free(taken[0])
      #expect(!fixture.zeroAhead())
    }

    @Test func theLastReferenceFrees() throws {
      let fixture = FrameFixture(usable: scatteredRanges, cpuCount: 1)
      let before = fixture.allocator.freeFrameCount
      for count in [1, 8, 512 / 8] {
        let frame = try fixture.allocator.allocate(count: count)
        #expect(fixture.references(frame) == 1)
        for _ in 0..<1000 { fixture.allocator.retain(frame) }
        #expect(fixture.references(frame) == 1001)
        for _ in 0..<1000 { #expect(!fixture.release(frame)) }
        #expect(fixture.allocator.freeFrameCount == before - count)
        #expect(fixture.release(frame))
        #expect(fixture.allocator.freeFrameCount == before)
        #expect(fixture.references(frame) == 0)
      }
    }

    @Test func whatIsCountedAddsUp() throws {
      let fixture = FrameFixture(usable: scatteredRanges, cpuCount: 2)
      let frames = (0..<600).compactMap { _ in try? fixture.allocator.allocate() }
      for frame in frames { fixture.allocator.free(frame) }
      let run = try fixture.allocator.allocate(count: 4)
      let singles = try #require(fixture.cache(0)).sizes[0]
      #expect(singles.frees == frames.count)
      #expect(singles.refilled - singles.drained == singles.cached)
      #expect(singles.allocations <= frames.count && singles.allocations > frames.count - 10)
      #expect(fixture.cache(0)?.sizes[2].allocations == 1)
      #expect(fixture.cache(2) == nil)
      fixture.allocator.free(run, count: 4)
      fixture.allocator.reclaim()
      let statistics = fixture.allocator.statistics
      var sum = 0
      for order in 0...18 { sum += statistics.freeBlockCounts[order] << order }
      #expect(sum == statistics.freeFrameCount && sum == fixture.frames.count)
    }
  }
}
