import Boot
import Locking
import Machine
import PhysicalMemory
import TestSupport
import Testing

@testable import Heap

/// A block of the heap, filled with bytes that only its holder writes.
private struct Block {
  let address: UInt
  let byteCount: Int
  let fill: UInt8

  var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      start: UnsafeMutableRawPointer(bitPattern: address), count: byteCount)
  }

  /// Whether nobody else wrote to the block.
  var isIntact: Bool { bytes.allSatisfy { $0 == fill } }
}

/// A heap of its own, on the machine's frames or on others.
final class HeapFixture: @unchecked Sendable {
  let heap = Heap()
  private let storage: UnsafeMutableRawPointer
  private let frames: FrameFixture?

  init(on frames: FrameFixture? = nil, cpuCount: Int = SimulatedMachine.cpuCount) {
    _ = SimulatedMachine.shared
    storage = .allocate(byteCount: Heap.byteCount(for: cpuCount), alignment: 128)
    self.frames = frames
    if let frames {
      withUnsafePointer(to: frames.allocator) {
        heap.initialize(on: $0, in: storage, count: cpuCount)
      }
    } else {
      withUnsafePointer(to: FrameAllocator.shared) {
        heap.initialize(on: $0, in: storage, count: cpuCount)
      }
    }
  }

  deinit { storage.deallocate() }

  func allocate(
    byteCount: Int, alignment: Int = 16
  ) throws(HeapError) -> UnsafeMutableRawPointer {
    try heap.allocate(byteCount: byteCount, alignment: alignment)
  }

  func usableSize(of block: UnsafeRawPointer) -> Int { heap.usableSize(of: block) }

  /// Gives back what is not in use, as every CPU in turn.
  func reclaim() {
    for index in 0..<heap.cacheCount.value { onCPU(index) { heap.reclaim() } }
    heap.reclaim()
  }
}

extension SimulatedMachine {
  @Suite struct HeapTests {
    private let machine = SimulatedMachine.shared

    @Test func blocksAreAlignedHoweverTheyAreAskedFor() throws {
      let fixture = HeapFixture()
      for power in 0...16 {
        for byteCount in [0, 1, 15, 16, 17, 24, 40, 100, 1000, 2047, 2048, 2049, 5000] {
          let block = try fixture.allocate(byteCount: byteCount, alignment: 1 << power)
          let address = PhysicalMemoryWindow.address(of: block)
          #expect(address % UInt64(Swift.max(16, 1 << power)) == 0, "\(byteCount), \(power)")
          fixture.heap.free(block)
        }
      }
    }

    /// Threads allocate, write, check and free, their own blocks and each other's.
    @Test func blocksNeverOverlap() {
      let fixture = HeapFixture()
      let exchange = TestLock<[Block]>([])
      let violations = Atomic<Int>(0)
      let failures = Atomic<Int>(0)
      onSimulatedCPUs(SimulatedMachine.cpuCount) { index in
        var random = SplitMix64(seed: UInt64(index) + 77)
        var held: [Block] = []
        for step in 0..<4000 {
          if held.count < 40, Int.random(in: 0..<5, using: &random) < 3 {
            let byteCount =
              step % 50 == 0
              ? Int.random(in: 2049...20000, using: &random)
              : Int.random(in: 1...600, using: &random)
            let alignment = 1 << Int.random(in: 0...8, using: &random)
            guard let pointer = try? fixture.allocate(byteCount: byteCount, alignment: alignment)
            else {
              failures.wrappingAdd(1, ordering: .relaxed)
              continue
            }
            let block = Block(
              address: UInt(bitPattern: pointer), byteCount: byteCount,
              fill: UInt8.random(in: 0...255, using: &random))
            if block.address % UInt(alignment) != 0 {
              violations.wrappingAdd(1, ordering: .relaxed)
            }
            block.bytes.initializeMemory(as: UInt8.self, repeating: block.fill)
            held.append(block)
          } else if !held.isEmpty {
            var block = held.remove(at: .random(in: held.indices, using: &random))
            if step % 4 == 0 {
              // Somebody else's block instead, for one's own.
              exchange.withLock { others in
                others.append(block)
                block = others.removeFirst()
              }
            }
            if !block.isIntact { violations.wrappingAdd(1, ordering: .relaxed) }
            fixture.heap.free(UnsafeMutableRawPointer(block.bytes.baseAddress.unsafelyUnwrapped))
          }
        }
        for block in held {
          if !block.isIntact { violations.wrappingAdd(1, ordering: .relaxed) }
          block.bytes.baseAddress.map { fixture.heap.free($0) }
        }
      }
      #expect(violations.load(ordering: .relaxed) == 0)
      #expect(failures.load(ordering: .relaxed) == 0)
    }

    @Test func aFreedBlockIsTheNextOfItsSize() throws {
      let fixture = HeapFixture()
      let first = try fixture.allocate(byteCount: 100, alignment: 8)
      let second = try fixture.allocate(byteCount: 100, alignment: 8)
      #expect(second != first)
      fixture.heap.free(first)
      #expect(try fixture.allocate(byteCount: 120, alignment: 8) == first)
    }

    @Test func largeBlocksGiveTheirFramesBack() throws {
      let fixture = HeapFixture()
      let before = FrameAllocator.shared.freeFrameCount
      for byteCount in [2049, 4096, 4097, 100_000, 1 << 20] {
        let block = try fixture.allocate(byteCount: byteCount, alignment: 16)
        #expect(before - FrameAllocator.shared.freeFrameCount == (byteCount + 4095) / 4096)
        fixture.heap.free(block)
        #expect(FrameAllocator.shared.freeFrameCount == before)
      }
    }

    /// A page is cut into as many blocks as fit, and all of them are handed out before the next.
    @Test(arguments: 0..<SizeClass.count) func aPageHoldsAllTheBlocksThatFit(index: Int) throws {
      let fixture = HeapFixture()
      let size = SizeClass(index: index).size
      let before = FrameAllocator.shared.freeFrameCount
      var pages: Set<UInt64> = []
      for _ in 0..<4096 / size {
        let block = PhysicalMemoryWindow.address(
          of: try fixture.allocate(byteCount: size, alignment: 1))
        pages.insert(block / 4096)
        #expect(block % 4096 + UInt64(size) <= 4096)
      }
      #expect(pages.count == 1)
      #expect(before - FrameAllocator.shared.freeFrameCount == 1)
      _ = try fixture.allocate(byteCount: size, alignment: 1)
      #expect(before - FrameAllocator.shared.freeFrameCount == 2)
    }

    @Test func exhaustionIsAnErrorAndChangesNothing() throws {
      let fixture = HeapFixture()
      try SimulatedMachine.withFrames(left: 3) {
        #expect(throws: HeapError.outOfMemory(byteCount: 12289)) {
          try fixture.allocate(byteCount: 12289, alignment: 16)
        }
        #expect(FrameAllocator.shared.freeFrameCount == 3)
        for _ in 0..<6 { _ = try fixture.allocate(byteCount: 2048, alignment: 16) }
        #expect(FrameAllocator.shared.freeFrameCount == 0)
        #expect(throws: HeapError.outOfMemory(byteCount: 1500)) {
          try fixture.allocate(byteCount: 1500, alignment: 16)
        }
      }
      // And it goes on when there is memory again.
      fixture.heap.free(try fixture.allocate(byteCount: 1500, alignment: 16))
    }

    @Test(arguments: [
      (Int.max, 1), (Int.max, 4096), (Int.max - 4000, 16), (1, 1 << 62), (1 << 62 + 1, 32),
    ]) func impossibleSizesAreErrors(byteCount: Int, alignment: Int) {
      let fixture = HeapFixture()
      #expect(throws: HeapError.outOfMemory(byteCount: byteCount)) {
        try fixture.allocate(byteCount: byteCount, alignment: alignment)
      }
    }

    @Test func whatTheHeapDidNotGiveCannotBeFreed() async {
      await #expect(processExitsWith: .failure) {
        _ = SimulatedMachine.shared
        let frame = try FrameAllocator.shared.allocate()
        if let page = PhysicalMemoryWindow.pointer(to: frame.rawValue) {
          HeapFixture().heap.free(page)
        }
      }
    }

    /// What must not be freed ends a checked build, with the address.
    @Test func misuseIsFatal() async {
      await #expect(processExitsWith: .failure) {
        let fixture = HeapFixture()
        let block = try fixture.allocate(byteCount: 64)
        fixture.heap.free(block)
        fixture.heap.free(block)
      }
      await #expect(processExitsWith: .failure) {
        let fixture = HeapFixture()
        fixture.heap.free(try fixture.allocate(byteCount: 64) + 16)
      }
      await #expect(processExitsWith: .failure) {
        let fixture = HeapFixture()
        let block = try fixture.allocate(byteCount: 10000)
        fixture.heap.free(block)
        fixture.heap.free(block)
      }
      await #expect(processExitsWith: .failure) {
        let fixture = HeapFixture()
        fixture.heap.free(try fixture.allocate(byteCount: 10000) + 4096)
      }
      // Written to after it was freed: found when it is handed out again.
      await #expect(processExitsWith: .failure) {
        let fixture = HeapFixture()
        let block = try fixture.allocate(byteCount: 64)
        fixture.heap.free(block)
        block.initializeMemory(as: UInt8.self, repeating: 0, count: 64)
        _ = try fixture.allocate(byteCount: 64)
      }
    }

    @Test func nothingIsFreedByNull() { HeapFixture().heap.free(nil) }

    @Test func allOfTheUsableSizeCanBeUsed() throws {
      let fixture = HeapFixture()
      var blocks: [Block] = []
      for byteCount in [0, 1, 16, 17, 40, 63, 64, 65, 700, 2047, 2048, 2049, 4096, 5000, 100_000] {
        for alignment in [1, 64, 4096] {
          let pointer = try fixture.allocate(byteCount: byteCount, alignment: alignment)
          let size = fixture.usableSize(of: pointer)
          #expect(size >= byteCount && size <= Swift.max(2 * byteCount, 4096 + byteCount))
          let block = Block(
            address: UInt(bitPattern: pointer), byteCount: size, fill: UInt8(blocks.count))
          block.bytes.initializeMemory(as: UInt8.self, repeating: block.fill)
          blocks.append(block)
        }
      }
      for block in blocks {
        #expect(block.isIntact)
        fixture.heap.free(block.bytes.baseAddress)
      }
    }

    /// A page of 64-byte blocks is 64 blocks, and nothing else.
    @Test func blocksOf64BytesTake64Bytes() throws {
      let fixture = HeapFixture()
      let before = FrameAllocator.shared.freeFrameCount
      let blocks = try (0..<6400).map { _ in try fixture.allocate(byteCount: 64) }
      #expect(before - FrameAllocator.shared.freeFrameCount == 100)
      for block in blocks { fixture.heap.free(block) }
      // The magazines' two pages, and the one that is kept.
      #expect(before - FrameAllocator.shared.freeFrameCount <= 3)
      fixture.reclaim()
      #expect(before == FrameAllocator.shared.freeFrameCount)
    }
  }

  /// The heap against what it was given, on several CPUs.
  @Suite struct HeapPropertyTests {
    /// Each CPU in turn, one after the other; at the end nothing is missing.
    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func whateverIsFreedComesBack(seed: UInt64) throws {
      var random = SplitMix64(seed: seed)
      let frames = FrameFixture(usable: scatteredRanges, cpuCount: 3)
      let fixture = HeapFixture(on: frames, cpuCount: 3)
      let before = frames.allocator.freeFrameCount
      var held: [Block] = []
      for step in 0..<4000 {
        try onCPU(Int.random(in: 0..<3, using: &random)) {
          if Int.random(in: 0..<100, using: &random) < (step / 1000 % 2 == 0 ? 65 : 35) {
            let byteCount =
              step % 20 == 0
              ? Int.random(in: 1...30000, using: &random) : Int.random(in: 1...500, using: &random)
            let alignment = 1 << Int.random(in: 0...9, using: &random)
            if let pointer = try? fixture.allocate(byteCount: byteCount, alignment: alignment) {
              let block = Block(
                address: UInt(bitPattern: pointer), byteCount: byteCount,
                fill: UInt8.random(in: 0...255, using: &random))
              #expect(block.address % UInt(alignment) == 0)
              block.bytes.initializeMemory(as: UInt8.self, repeating: block.fill)
              held.append(block)
            }
          } else if !held.isEmpty {
            let block = held.remove(at: .random(in: held.indices, using: &random))
            try #require(block.isIntact, "step \(step)")
            fixture.heap.free(block.bytes.baseAddress)
          }
          if step % 700 == 699 { fixture.heap.reclaim() }
        }
      }
      #expect(frames.faults() == [])
      for block in held {
        #expect(block.isIntact)
        fixture.heap.free(block.bytes.baseAddress)
      }
      fixture.reclaim()
      #expect(frames.allocator.freeFrameCount == before)
      frames.allocator.reclaim()
      #expect(frames.faults() == [])
    }

    /// One CPU allocates, another frees: nothing grows.
    @Test func blocksFreedElsewhereAreUsedAgain() throws {
      let frames = FrameFixture(usable: scatteredRanges, cpuCount: 2)
      let fixture = HeapFixture(on: frames, cpuCount: 2)
      let before = frames.allocator.freeFrameCount
      var least = before
      for round in 0..<600 {
        let blocks = try (0..<50).map { _ in try fixture.allocate(byteCount: 64) }
        onCPU(1) { for block in blocks { fixture.heap.free(block) } }
        if round == 100 { least = frames.allocator.freeFrameCount }
        if round > 100 { #expect(frames.allocator.freeFrameCount >= least - 2) }
      }
      #expect(before - least <= 8)
      fixture.reclaim()
      #expect(frames.allocator.freeFrameCount == before)
    }

    /// What other sizes and other CPUs hold is used before memory counts as used up.
    @Test func memoryIsTakenBackWhenItRunsOut() throws {
      let frames = FrameFixture(
        usable: [
          PhysicalRange(start: SimulatedMachine.spare.start.rawValue, byteCount: 8 * 4096)
        ], cpuCount: 2)
      let fixture = HeapFixture(on: frames, cpuCount: 2)
      let blocks = try (0..<8 * 4).map { _ in try fixture.allocate(byteCount: 1024) }
      #expect(throws: HeapError.outOfMemory(byteCount: 64)) {
        try fixture.allocate(byteCount: 64)
      }
      for block in blocks[..<28] { fixture.heap.free(block) }
      let small = try (0..<64 * 4).map { _ in try fixture.allocate(byteCount: 64) }
      onCPU(1) { for block in small { fixture.heap.free(block) } }
      // Asked for by this CPU's want, given back when the other one comes by.
      _ = try? fixture.allocate(byteCount: 5 * 4096)
      onCPU(1) { fixture.heap.answerReclaim() }
      let large = try fixture.allocate(byteCount: 5 * 4096)
      fixture.heap.free(large)
      for block in blocks[28...] { fixture.heap.free(block) }
      fixture.reclaim()
      #expect(frames.allocator.freeFrameCount == 8)
    }

    /// Frames run out at every point in turn: `nil` or the typed error, and nothing is lost.
    @Test func everyAllocationOfFramesCanFail() throws {
      let frames = FrameFixture(usable: scatteredRanges, cpuCount: 2)
      let fixture = HeapFixture(on: frames, cpuCount: 2)
      let before = frames.allocator.freeFrameCount
      var failures = 0
      for number in 1...40 {
        // The one, and the one again that follows what was taken back; or all from there on.
        frames.allocator.failAllocations(from: number, count: number % 2 == 0 ? 2 : .max)
        var held: [UnsafeMutableRawPointer] = []
        for (index, byteCount) in [16, 5000, 2048, 2048, 2048, 700, 64, 100_000, 4096, 1, 300]
          .enumerated()
        {
          do throws(HeapError) {
            held.append(
              try onCPU(index % 2) { () throws(HeapError) in
                try fixture.allocate(byteCount: byteCount, alignment: 32)
              })
          } catch {
            failures += 1
            #expect(error == .outOfMemory(byteCount: byteCount))
          }
        }
        frames.allocator.stopFailing()
        for block in held { fixture.heap.free(block) }
        fixture.reclaim()
        #expect(frames.allocator.freeFrameCount == before, "\(number)")
      }
      #expect(failures > 20)
      #expect(frames.faults() == [])
    }
  }
}
