import Boot
import Exploration
import Heap
import Machine
import PhysicalMemory

/// `Heap/Heap.swift`: no block is handed out twice, and all frames come back.
enum HeapScenarios {
  static var all: [Scenario] { [remoteFree, shortage] }

  /// A heap of its own on frames of its own.
  final class Blocks {
    let heap = Heap()
    let frames: FrameAllocatorScenarios.Frames
    private let storage: Storage
    private var holders: [UInt: Int] = [:]

    init(frameCount: Int, cpuCount: Int) {
      frames = FrameAllocatorScenarios.Frames(frameCount: frameCount, cpuCount: cpuCount)
      storage = Storage(byteCount: Heap.byteCount(for: cpuCount))
      withUnsafePointer(to: frames.allocator) {
        heap.initialize(on: $0, in: storage.start, count: cpuCount)
      }
    }

    func take(_ machine: Simulation, _ byteCount: Int) -> UnsafeMutableRawPointer? {
      guard let block = heap.allocateOrNil(byteCount: byteCount) else { return nil }
      let holder = holders.updateValue(Processor.index, forKey: UInt(bitPattern: block))
      machine.check(holder == nil, "a block is handed out while CPU \(holder ?? 0) has it")
      return block
    }

    func give(_ block: UnsafeMutableRawPointer) {
      holders[UInt(bitPattern: block)] = nil
      heap.free(block)
    }

    /// Whether all frames are free when every CPU has given back what it has.
    func checkAllIsFree(_ machine: Simulation, cpuCount: Int) {
      machine.check(holders.isEmpty, "blocks are held")
      let own = Processor.index
      for index in 0..<cpuCount {
        Processor.index = index
        heap.reclaim()
      }
      Processor.index = own
      heap.reclaim()
      let (free, usable) = (frames.allocator.freeFrameCount, frames.allocator.usableFrameCount)
      machine.check(free == usable, "\(free) of \(usable) frames are free at the end")
      machine.check(frames.allocator.misuseCount == 0, "the heap frees frames that it has not")
    }
  }

  /// Three CPUs allocate blocks of which a page has two, and free each other's.
  static let remoteFree = Scenario("Heap/remote-free") { machine in
    let blocks = Blocks(frameCount: 6, cpuCount: 3)
    var given: [UnsafeMutableRawPointer] = []
    for _ in 0..<3 {
      machine.cpu {
        for _ in 0..<3 {
          if let block = blocks.take(machine, 2048) { given.append(block) }
          if let block = given.first {
            given.removeFirst()
            blocks.give(block)
          }
        }
      }
    }
    machine.atEnd {
      for block in given { blocks.give(block) }
      blocks.checkAllIsFree(machine, cpuCount: 3)
    }
  }

  /// Three CPUs want more than there is, of different sizes, and take back from each other.
  static let shortage = Scenario("Heap/shortage") { machine in
    let blocks = Blocks(frameCount: 3, cpuCount: 3)
    for index in 0..<3 {
      machine.cpu {
        for size in [2048, 4096 >> index, 8192] {
          let block = blocks.take(machine, size)
          if let block { blocks.give(block) }
          blocks.heap.answerReclaim()
        }
      }
    }
    machine.atEnd { blocks.checkAllIsFree(machine, cpuCount: 3) }
  }
}
