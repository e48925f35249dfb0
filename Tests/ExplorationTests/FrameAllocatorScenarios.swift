import Boot
import Exploration
import Machine
import PhysicalMemory

/// `PhysicalMemory/FrameAllocator.swift`: nothing is handed out twice, nothing is lost, and counts are
/// exact.
enum FrameAllocatorScenarios {
  static var all: [Scenario] {
    [allocateAndFree, nothingIsLost, freedTwice, exactFrame, references]
  }

  /// An allocator of its own, and who holds which frame.
  final class Frames {
    let allocator = FrameAllocator()
    private let metadata: Storage
    private let memory: SimulatedMemory
    private let caches: Storage
    private var holders: [UInt64: Int] = [:]

    /// Frames from 1 on, and a cache for each of `cpuCount` CPUs.
    init(_ usableCount: Int, cpuCount: Int) {
      let frameCount = usableCount + 1
      memory = SimulatedMemory(byteCount: frameCount * 4096)
      let end = UInt64(frameCount) * FrameAllocator.frameSize
      metadata = Storage(byteCount: FrameAllocator.metadataByteCount(upTo: end))
      allocator.initialize(upTo: end, metadata: metadata.start)
      allocator.add(PhysicalRange(start: UInt64(0), end: end))
      caches = Storage(byteCount: FrameAllocator.cacheByteCount(for: cpuCount))
      allocator.enableCaches(in: caches.start, count: cpuCount)
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
    let frames = Frames(4, cpuCount: 3)
    for index in 0..<3 {
      machine.cpu {
        for turn in 0..<2 {
          let count = (index + turn) % 2 + 1
          if let start = frames.take(machine, count: count) { frames.give(start, count: count) }
        }
      }
    }
    machine.atEnd { frames.checkAllIsFree(machine) }
  }

  /// Three CPUs need four of four frames at most, and one takes all back in between: whoever asks
  /// for a frame gets one, in whosever cache it is.
  static let nothingIsLost = Scenario("FrameAllocator/nothing-is-lost-in-caches") { machine in
    let frames = Frames(4, cpuCount: 3)
    for index in 0..<3 {
      machine.cpu {
        for _ in 0..<2 {
          let first = frames.take(machine)
          machine.check(first != nil, "CPU \(index) finds no frame")
          if index == 0 {
            let second = frames.take(machine)
            machine.check(second != nil, "there is no second frame")
            if let second { frames.give(second) }
          } else {
            frames.allocator.reclaim()
          }
          if let first { frames.give(first) }
        }
      }
    }
    machine.atEnd { frames.checkAllIsFree(machine) }
  }

  /// Two CPUs free the same frame: one is refused. (Were it handed out in between, nobody could know.)
  static let freedTwice = Scenario("FrameAllocator/freed-twice") { machine in
    let frames = Frames(4, cpuCount: 3)
    frames.allocator.tolerateMisuse(true)
    guard let frame = try? frames.allocator.allocate() else { return }
    for _ in 0..<2 { machine.cpu { frames.allocator.free(frame) } }
    machine.cpu { frames.allocator.reclaim() }
    machine.atEnd {
      machine.check(
        frames.allocator.misuseCount == 1, "\(frames.allocator.misuseCount) are refused")
      frames.checkAllIsFree(machine)
    }
  }

  /// A CPU asks for one certain frame, which nobody holds and which wanders through caches.
  static let exactFrame = Scenario("FrameAllocator/exactly-this-frame") { machine in
    let frames = Frames(3, cpuCount: 3)
    guard let wanted = try? frames.allocator.allocate() else { return }
    frames.allocator.free(wanted)
    machine.cpu {
      let isTaken = (try? frames.allocator.allocate(at: wanted)) != nil
      if isTaken { frames.allocator.free(wanted) }
    }
    for _ in 0..<2 {
      machine.cpu {
        for _ in 0..<2 { if let frame = frames.take(machine) { frames.give(frame) } }
      }
    }
    machine.atEnd {
      machine.check(
        (try? frames.allocator.allocate(at: wanted)) != nil, "a free frame cannot be had")
      frames.allocator.free(wanted)
      frames.checkAllIsFree(machine)
    }
  }

  /// Three CPUs share a frame; the last that lets go frees it.
  static let references = Scenario("FrameAllocator/references") { machine in
    let frames = Frames(4, cpuCount: 3)
    guard let frame = try? frames.allocator.allocate() else { return }
    frames.allocator.retain(frame)
    frames.allocator.retain(frame)
    let freed = Atomic<Int>(0)
    for _ in 0..<3 {
      machine.cpu {
        frames.allocator.retain(frame)
        frames.allocator.release(frame)
        if frames.allocator.release(frame) { freed.wrappingAdd(1, ordering: .relaxed) }
      }
    }
    machine.atEnd {
      machine.check(freed.load(ordering: .relaxed) == 1, "the frame is not freed once")
      frames.checkAllIsFree(machine)
    }
  }
}

extension FrameAllocatorScenarios.Frames {
  /// Whether all is as it was: in the caches, and when everything has been taken back.
  func checkAllIsFree(_ machine: Simulation) {
    machine.check(heldCount == 0, "frames are held")
    for _ in 0..<2 {
      let free = allocator.freeFrameCount
      machine.check(
        free == allocator.usableFrameCount,
        "\(free) of \(allocator.usableFrameCount) frames are free at the end")
      allocator.reclaim()
    }
    machine.check(
      allocator.statistics.freeBlockCounts[0] <= 2, "free frames are not put together")
  }
}
