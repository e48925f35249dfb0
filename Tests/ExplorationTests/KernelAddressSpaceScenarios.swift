import Boot
import Exploration
import Machine
import PhysicalMemory

@testable import VirtualMemory

/// `VirtualMemory/KernelAddressSpace.swift` over the simulated memory management unit.
enum KernelAddressSpaceScenarios {
  static var all: [Scenario] { [stacks] }

  /// Two CPUs make stacks at the same time and use them: each has its own pages, a gap below, and
  /// what it wrote.
  static let stacks = Scenario("KernelAddressSpace/stacks") { machine in
    let memory = SimulatedMemory(byteCount: 32 * 4096)
    let metadata = Storage(byteCount: FrameAllocator.metadataByteCount(upTo: 32 * 4096))
    FrameAllocator.shared.initialize(upTo: 32 * 4096, metadata: metadata.start)
    FrameAllocator.shared.add(PhysicalRange(start: UInt64(2 * 4096), end: UInt64(32 * 4096)))
    let mmu = SimulatedMMU(cpuCount: 2)
    mmu.useOnThisThread()
    for object in [memory, metadata, mmu] as [AnyObject] { machine.keep(object) }
    final class Space { let space = KernelAddressSpace() }
    let space = Space()
    let root: UInt64 = 4096
    space.space.adopt(root: root)
    var ranges: [Range<UInt64>] = []
    for index in 0..<2 {
      machine.cpu {
        AddressTranslation.use(root: root)
        guard let stack = try? space.space.makeStack(byteCount: 2 * 4096, gap: 4096) else {
          return machine.check(false, "no memory for a stack")
        }
        let range = UInt64(stack.bottom)..<UInt64(stack.top)
        machine.check(!ranges.contains { $0.overlaps(range) }, "two stacks overlap")
        ranges.append(range)
        let pages = stride(from: range.lowerBound, to: range.upperBound, by: 4096)
        for page in pages {
          let isWritten = (try? mmu.write(page + UInt64(index), to: page)) != nil
          machine.check(isWritten, "a page of the stack is not mapped")
        }
        for page in pages {
          let value = try? mmu.read(page)
          machine.check(value == page + UInt64(index), "a page of the stack reads \(value ?? 0)")
        }
        let below = try? mmu.read(range.lowerBound - 8)
        machine.check(below == nil, "there is something in the gap below a stack")
      }
    }
  }
}
