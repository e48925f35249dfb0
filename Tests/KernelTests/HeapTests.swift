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

extension SimulatedMachine {
  @Suite struct HeapTests {
    private let machine = SimulatedMachine.shared

    @Test func blocksAreAlignedHoweverTheyAreAskedFor() throws {
      let heap = Heap()
      for power in 0...16 {
        for byteCount in [0, 1, 15, 16, 17, 24, 40, 100, 1000, 2047, 2048, 2049, 5000] {
          let block = try heap.allocate(byteCount: byteCount, alignment: 1 << power)
          let address = PhysicalMemoryWindow.address(of: block)
          #expect(address % UInt64(Swift.max(16, 1 << power)) == 0, "\(byteCount), \(power)")
          heap.free(block)
        }
      }
    }

    /// Threads allocate, write, check and free, their own blocks and each other's.
    @Test func blocksNeverOverlap() {
      let heap = Heap()
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
            guard let pointer = try? heap.allocate(byteCount: byteCount, alignment: alignment)
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
            heap.free(UnsafeMutableRawPointer(block.bytes.baseAddress.unsafelyUnwrapped))
          }
        }
        for block in held {
          if !block.isIntact { violations.wrappingAdd(1, ordering: .relaxed) }
          block.bytes.baseAddress.map { heap.free($0) }
        }
      }
      #expect(violations.load(ordering: .relaxed) == 0)
      #expect(failures.load(ordering: .relaxed) == 0)
    }

    @Test func aFreedBlockIsTheNextOfItsSize() throws {
      let heap = Heap()
      let first = try heap.allocate(byteCount: 100, alignment: 8)
      let second = try heap.allocate(byteCount: 100, alignment: 8)
      #expect(second != first)
      heap.free(first)
      #expect(try heap.allocate(byteCount: 120, alignment: 8) == first)
    }

    @Test func largeBlocksGiveTheirFramesBack() throws {
      let heap = Heap()
      let before = FrameAllocator.shared.freeFrameCount
      for byteCount in [2049, 4096, 4097, 100_000, 1 << 20] {
        let block = try heap.allocate(byteCount: byteCount, alignment: 16)
        #expect(before - FrameAllocator.shared.freeFrameCount == (byteCount + 4095) / 4096)
        heap.free(block)
        #expect(FrameAllocator.shared.freeFrameCount == before)
      }
    }

    /// A page is cut into as many blocks as fit, and all of them are handed out before the next.
    @Test(arguments: 0..<SizeClass.count) func aPageHoldsAllTheBlocksThatFit(index: Int) throws {
      let heap = Heap()
      let size = SizeClass(index: index).size
      let before = FrameAllocator.shared.freeFrameCount
      var pages: Set<UInt64> = []
      for _ in 0..<4096 / size {
        let block = PhysicalMemoryWindow.address(
          of: try heap.allocate(byteCount: size, alignment: 1))
        pages.insert(block / 4096)
        #expect(block % 4096 + UInt64(size) <= 4096)
      }
      #expect(pages.count == 1)
      #expect(before - FrameAllocator.shared.freeFrameCount == 1)
      _ = try heap.allocate(byteCount: size, alignment: 1)
      #expect(before - FrameAllocator.shared.freeFrameCount == 2)
    }

    @Test func exhaustionIsAnErrorAndChangesNothing() throws {
      let heap = Heap()
      try SimulatedMachine.withFrames(left: 3) {
        #expect(throws: HeapError.outOfMemory(byteCount: 12289)) {
          try heap.allocate(byteCount: 12289, alignment: 16)
        }
        #expect(FrameAllocator.shared.freeFrameCount == 3)
        for _ in 0..<6 { _ = try heap.allocate(byteCount: 2048, alignment: 16) }
        #expect(FrameAllocator.shared.freeFrameCount == 0)
        #expect(throws: HeapError.outOfMemory(byteCount: 1500)) {
          try heap.allocate(byteCount: 1500, alignment: 16)
        }
      }
      // And it goes on when there is memory again.
      heap.free(try heap.allocate(byteCount: 1500, alignment: 16))
    }

    @Test(arguments: [
      (Int.max, 1), (Int.max, 4096), (Int.max - 4000, 16), (1, 1 << 62), (1 << 62 + 1, 32),
    ]) func impossibleSizesAreErrors(byteCount: Int, alignment: Int) {
      let heap = Heap()
      #expect(throws: HeapError.outOfMemory(byteCount: byteCount)) {
        try heap.allocate(byteCount: byteCount, alignment: alignment)
      }
    }

    @Test func whatTheHeapDidNotGiveCannotBeFreed() async {
      await #expect(processExitsWith: .failure) {
        _ = SimulatedMachine.shared
        let frame = try FrameAllocator.shared.allocate()
        if let page = PhysicalMemoryWindow.pointer(to: frame.rawValue) { Heap().free(page) }
      }
    }
  }
}
