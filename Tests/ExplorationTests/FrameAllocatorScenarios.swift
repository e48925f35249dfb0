import Boot
import Exploration
import Machine
import PhysicalMemory

/// `PhysicalMemory/FrameAllocator.swift`: nothing is handed out twice, nothing is lost, and counts are
/// exact.
enum FrameAllocatorScenarios {
  static var all: [Scenario] { [allocateAndFree] }

  /// An allocator of its own, and who holds which frame.
  final class Frames {
    let allocator = FrameAllocator()
    private let metadata: Storage
    private var holders: [UInt64: Int] = [:]

    init(frameCount: Int) {
      let end = UInt64(frameCount) * FrameAllocator.frameSize
      metadata = Storage(byteCount: FrameAllocator.metadataByteCount(upTo: end))
      allocator.initialize(upTo: end, metadata: metadata.start)
      allocator.add(PhysicalRange(start: UInt64(0), end: end))
    }

    /// Takes `count` frames; `nil` when there are none.
    func take(_ machine: Simulation, count: Int = 1) -> PhysicalAddress? {
      guard let start = try? allocator.allocate(count: count) else { return nil }
      for index in 0..<UInt64(count) {
        let frame = start.rawValue / FrameAllocator.frameSize + index
        let holder = holders.updateValue(Processor.index, forKey: frame)
        machine.check(holder == nil, "frame \(frame) is handed out while CPU \(holder ?? 0) has it")
      }
      return start
    }

    func give(_ start: PhysicalAddress, count: Int = 1) {
      for index in 0..<UInt64(count) {
        holders[start.rawValue / FrameAllocator.frameSize + index] = nil
      }
      allocator.free(start, count: count)
    }

    var heldCount: Int { holders.count }
  }

  /// Three CPUs take and give, more than there is at times.
  static let allocateAndFree = Scenario("FrameAllocator/allocate-and-free") { machine in
    let frames = Frames(frameCount: 5)
    let usable = frames.allocator.usableFrameCount
    for index in 0..<3 {
      machine.cpu {
        for turn in 0..<2 {
          let count = (index + turn) % 2 + 1
          if let start = frames.take(machine, count: count) { frames.give(start, count: count) }
        }
      }
    }
    machine.atEnd {
      machine.check(frames.heldCount == 0, "frames are held")
      let free = frames.allocator.freeFrameCount
      machine.check(free == usable, "\(free) of \(usable) frames are free at the end")
    }
  }
}
