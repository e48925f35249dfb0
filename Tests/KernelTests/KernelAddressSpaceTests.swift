import Boot
import Locking
import Machine
import PhysicalMemory
import Testing

@testable import VirtualMemory

extension SimulatedMachine {
  @Suite struct KernelAddressSpaceTests {
    private let root: UInt64

    init() throws {
      _ = SimulatedMachine.shared
      root = try FrameAllocator.shared.allocate().rawValue
      try #require(PhysicalMemoryWindow.pointer(to: root))
        .initializeMemory(as: UInt8.self, repeating: 0, count: 4096)
    }

    /// An address space of the test's own. Its tables stay allocated: it has no end.
    private func makeSpace() -> KernelAddressSpace {
      let space = KernelAddressSpace()
      space.adopt(root: root)
      return space
    }

    private func permissions(of address: UInt64) -> PagePermissions {
      PageTable(root: root).lookUp(address).entry.permissions
    }

    @Test func mapProtectAndUnmap() throws {
      let space = makeSpace()
      let range = PhysicalRange(start: UInt64(0x10_0000), end: UInt64(0x90_0000))
      try space.mapPhysical(range, [.write])
      #expect(space.isMapped(0x10_0000) && space.isMapped(0x8F_FFFF))
      #expect(!space.isMapped(0xF_FFFF) && !space.isMapped(0x90_0000))
      try space.protect(
        PhysicalRange(start: UInt64(0x20_0000), end: UInt64(0x20_1000)), [.execute])
      #expect(permissions(of: 0x20_0000) == [.execute])
      #expect(permissions(of: 0x20_1000) == [.write])
      try space.unmap(PhysicalRange(start: UInt64(0x30_0000), end: UInt64(0x30_1000)))
      #expect(space.isMapped(0x30_0000) == false)
      #expect(space.isMapped(0x2F_FFFF) && space.isMapped(0x30_1000))
    }

    @Test func stacksHaveUnmappedPagesBelow() throws {
      let space = makeSpace()
      let first = try space.makeStack(byteCount: 16384)
      let second = try space.makeStack(byteCount: 8192)
      for stack in [first, second] {
        #expect(space.isMapped(stack.bottom) && space.isMapped(stack.top - 1))
        #expect(KernelAddressSpace.isStackRegion(stack.bottom - 1))
        for distance in stride(from: UInt(1), through: UInt(KernelAddressSpace.stackGap), by: 4096)
        {
          #expect(space.isMapped(stack.bottom - distance) == false)
        }
        #expect(permissions(of: UInt64(stack.bottom)) == [.write])
      }
      #expect(first.top - first.bottom == 16384)
      #expect(second.top - second.bottom == 8192)
      #expect(second.bottom >= first.top + UInt(KernelAddressSpace.stackGap))
    }

    @Test func stacksHaveMemoryOfTheirOwn() throws {
      let space = makeSpace()
      let before = FrameAllocator.shared.freeFrameCount
      var frames: Set<UInt64> = []
      var tables: Set<UInt> = []
      for _ in 0..<10 {
        let stack = try space.makeStack(byteCount: 12288)
        for address in stride(from: stack.bottom, to: stack.top, by: 4096) {
          frames.insert(PageTable(root: root).lookUp(UInt64(address)).entry.address)
          tables.insert(address >> 21)
        }
      }
      #expect(frames.count == 30)
      // And a table page for each 2 MiB, and the two above them.
      #expect(before - FrameAllocator.shared.freeFrameCount == 30 + tables.count + 2)
    }

    @Test func withoutAnyFrameThereIsNoStack() throws {
      let space = makeSpace()
      try SimulatedMachine.withFrames(left: 3) {
        #expect(throws: FrameAllocatorError.outOfFrames) {
          try space.makeStack(byteCount: 16384)
        }
        #expect(FrameAllocator.shared.freeFrameCount == 3)
      }
    }

    /// Frames run out while the tables are made: for the first one, or halfway through.
    @Test(arguments: 0...3) func aStackThatCannotBeMappedLeavesNothingBehind(tables: Int) throws {
      let space = makeSpace()
      // 2 MiB that do not start at a border of 2 MiB: two tables of small pages, 4 in all.
      let byteCount: UInt64 = 2 << 20
      let address = try SimulatedMachine.withFrames(left: 512 + tables) {
        #expect(throws: FrameAllocatorError.outOfFrames) {
          try space.makeStack(byteCount: byteCount)
        }
        #expect(FrameAllocator.shared.freeFrameCount == 512)
        return UInt(0x1000_0000_0000 + KernelAddressSpace.stackGap)
      }
      let pages = stride(from: address, to: address + UInt(byteCount), by: 4096)
      #expect(pages.filter { space.isMapped($0) } == [])
      let before = FrameAllocator.shared.freeFrameCount
      let stack = try space.makeStack(byteCount: byteCount)
      #expect(stack.bottom == address)
      #expect(before - FrameAllocator.shared.freeFrameCount == 512 + 4 - tables)
    }

    @Test func threadsMakeStacksAtTheSameTime() throws {
      let space = makeSpace()
      let bottoms = TestLock<[UInt]>([])
      onSimulatedCPUs(SimulatedMachine.cpuCount) { _ in
        for _ in 0..<20 {
          if let stack = try? space.makeStack(byteCount: 8192) {
            bottoms.withLock { $0.append(stack.bottom) }
          }
        }
      }
      let sorted = bottoms.withLock { $0.sorted() }
      #expect(sorted.count == 80)
      #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $0 + 8192 <= $1 })
      #expect(sorted.allSatisfy { space.isMapped($0) })
    }
  }
}
