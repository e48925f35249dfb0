import Boot
import Exploration
import Machine
import PerCPU

@testable import PhysicalMemory

/// `PhysicalMemory`: nothing is handed out twice, nothing is lost, counts are exact, and no CPU is told
/// that there is nothing while there is.
enum FrameAllocatorScenarios {
  static var all: [Scenario] {
    [
      withoutCaches, caches, runs, nothingIsLost, lastFrames, otherCPUFrees, thisFrame, references,
      doubleFree, zeroedAhead,
    ]
  }

  /// An allocator of its own, and who holds which frame.
  final class Frames {
    let allocator = FrameAllocator()
    private let metadata: Storage
    /// What is free is linked through the frames themselves.
    private let memory: SimulatedMemory
    private var caches: Storage?
    private var holders: [UInt64: Int] = [:]
    private let usable: Int
    /// Frames on their way out of or into the allocator, by CPU: whoever asks for one may or may not
    /// have taken it.
    private var onTheWay: [Int]
    /// The largest number of frames that were surely free at one moment of the CPU's present call.
    private var surelyFree: [Int?]

    /// Frame 0 is never given out, so `frameCount` are usable.
    init(frameCount: Int, cpuCount: Int, hasCaches: Bool = true) {
      let end = UInt64(frameCount + 1) * FrameAllocator.frameSize
      memory = SimulatedMemory(byteCount: Int(end))
      metadata = Storage(byteCount: FrameAllocator.metadataByteCount(upTo: end))
      allocator.initialize(upTo: end, metadata: metadata.start)
      allocator.add(PhysicalRange(start: FrameAllocator.frameSize, end: end))
      usable = allocator.usableFrameCount
      onTheWay = Array(repeating: 0, count: cpuCount)
      surelyFree = Array(repeating: nil, count: cpuCount)
      if hasCaches {
        let storage = Storage(byteCount: FrameAllocator.cacheByteCount(for: cpuCount))
        allocator.enableCaches(in: storage.start, count: cpuCount)
        caches = storage
      }
    }

    /// Notes for all calls that run how many frames are surely free now.
    private func look() {
      let free = usable - holders.count - onTheWay.reduce(0, +)
      for cpu in surelyFree.indices {
        if let before = surelyFree[cpu] { surelyFree[cpu] = min(before, free + onTheWay[cpu]) }
      }
    }

    /// Takes a frame, or a run of some; checks that a refusal is true.
    func take(_ machine: Simulation, count: Int = 1, isZeroed: Bool = false) -> PhysicalAddress? {
      let cpu = Processor.index
      onTheWay[cpu] += count
      surelyFree[cpu] = .max
      look()
      let start =
        isZeroed ? try? allocator.allocateZeroed() : try? allocator.allocate(count: count)
      onTheWay[cpu] -= count
      // Of a run it is not known whether the free frames lay in a row.
      if start == nil, count == 1, let free = surelyFree[cpu] {
        machine.check(free <= 0, "no frame for CPU \(cpu), though \(free) were free all the time")
      }
      surelyFree[cpu] = nil
      if let start { hold(machine, start, count: count) }
      look()
      return start
    }

    func hold(_ machine: Simulation, _ start: PhysicalAddress, count: Int = 1) {
      for index in 0..<UInt64(count) {
        let frame = start.rawValue / FrameAllocator.frameSize + index
        let holder = holders.updateValue(Processor.index, forKey: frame)
        machine.check(holder == nil, "frame \(frame) is handed out while CPU \(holder ?? 0) has it")
        machine.check(frame != 0 && frame <= UInt64(usable), "frame \(frame) does not exist")
      }
    }

    func give(_ start: PhysicalAddress, count: Int = 1) {
      let cpu = Processor.index
      onTheWay[cpu] += count
      for index in 0..<UInt64(count) {
        holders[start.rawValue / FrameAllocator.frameSize + index] = nil
      }
      look()
      allocator.free(start, count: count)
      onTheWay[cpu] -= count
      look()
    }

    /// A frame is not held any more, and whoever has it frees it by other means.
    func forget(_ start: PhysicalAddress) {
      holders[start.rawValue / FrameAllocator.frameSize] = nil
    }

    /// When all is quiet: the counts are true, and all that nobody holds can be had.
    func checkAll(_ machine: Simulation) {
      let free = usable - holders.count
      let count = allocator.freeFrameCount
      machine.check(count == free, "\(count) frames count as free, \(free) are")
      var taken: [PhysicalAddress] = []
      // Bounded: an allocator that is broken may never run out.
      while taken.count <= usable, let frame = take(machine) { taken.append(frame) }
      machine.check(taken.count == free, "\(taken.count) frames could be had of \(free)")
      for frame in taken { give(frame) }
      allocator.reclaim()
      let after = allocator.freeFrameCount
      machine.check(after == free, "\(after) frames count as free after all were returned")
      let blocks = allocator.statistics.freeBlockCounts
      machine.check(blocks[0] <= 2, "\(blocks[0]) single frames are not put together")
    }
  }

  /// Each CPU takes and gives, in turns of `counts`.
  private static func takeAndGive(
    _ name: String, frameCount: Int, hasCaches: Bool, counts: [[Int]]
  ) -> Scenario {
    Scenario(name) { machine in
      let frames = Frames(frameCount: frameCount, cpuCount: counts.count, hasCaches: hasCaches)
      for turns in counts {
        machine.cpu {
          for count in turns {
            if let start = frames.take(machine, count: count) { frames.give(start, count: count) }
          }
        }
      }
      machine.atEnd { frames.checkAll(machine) }
    }
  }

  static var withoutCaches: Scenario {
    takeAndGive(
      "FrameAllocator/without-caches", frameCount: 4, hasCaches: false,
      counts: [[1, 2], [2, 1], [1, 1]])
  }

  static var caches: Scenario {
    takeAndGive(
      "FrameAllocator/caches", frameCount: 40, hasCaches: true, counts: [[1, 1], [1, 1]])
  }

  static var runs: Scenario {
    takeAndGive(
      "FrameAllocator/runs", frameCount: 12, hasCaches: true, counts: [[2, 3], [1, 4], [5]])
  }

  /// Three CPUs need four of four frames at most, and one takes all back in between: whoever asks
  /// for a frame gets one, in whosever cache it is.
  static let nothingIsLost = Scenario("FrameAllocator/nothing-is-lost-in-caches") { machine in
    let frames = Frames(frameCount: 4, cpuCount: 3)
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
    machine.atEnd { frames.checkAll(machine) }
  }

  /// Fewer frames than CPUs want: they are taken out of each other's caches, and whoever is told that
  /// there are none is told the truth.
  static let lastFrames = Scenario("FrameAllocator/last-frames") { machine in
    let frames = Frames(frameCount: 2, cpuCount: 3)
    for _ in 0..<3 {
      machine.cpu {
        let first = frames.take(machine)
        if let second = frames.take(machine) { frames.give(second) }
        if let first { frames.give(first) }
      }
    }
    machine.atEnd { frames.checkAll(machine) }
  }

  /// One CPU takes what another gives back.
  static let otherCPUFrees = Scenario("FrameAllocator/other-cpu-frees") { machine in
    let frames = Frames(frameCount: 3, cpuCount: 2)
    final class Exchange { let slots = (Atomic64(0), Atomic64(0)) }
    let exchange = Exchange()
    machine.cpu {
      for slot in [exchange.slots.0, exchange.slots.1] {
        guard let frame = frames.take(machine) else { continue }
        slot.value.store(frame.rawValue, ordering: .releasing)
      }
    }
    machine.cpu {
      for slot in [exchange.slots.0, exchange.slots.1] {
        var address = slot.value.load(ordering: .acquiring)
        while address == 0 {
          Processor.pause()
          address = slot.value.load(ordering: .acquiring)
        }
        frames.give(PhysicalAddress(address))
      }
      if let own = frames.take(machine) { frames.give(own) }
    }
    machine.atEnd { frames.checkAll(machine) }
  }

  /// Somebody asks for a certain frame, which may be in another CPU's cache, or held.
  static let thisFrame = Scenario("FrameAllocator/this-frame") { machine in
    let frames = Frames(frameCount: 4, cpuCount: 2)
    let wanted = PhysicalAddress(2 * FrameAllocator.frameSize)
    machine.cpu {
      for _ in 0..<2 {
        if let frame = frames.take(machine) { frames.give(frame) }
      }
    }
    machine.cpu {
      for _ in 0..<2 where (try? frames.allocator.allocate(at: wanted)) != nil {
        frames.hold(machine, wanted)
        frames.give(wanted)
      }
    }
    machine.atEnd { frames.checkAll(machine) }
  }

  /// Three CPUs have a reference each; the last one that is dropped frees the frame, and not earlier.
  static let references = Scenario("FrameAllocator/references") { machine in
    let frames = Frames(frameCount: 1, cpuCount: 3)
    guard let frame = frames.take(machine) else { return machine.check(false, "no frame") }
    for _ in 0..<2 { frames.allocator.retain(frame) }
    var dropped = 0
    var freed = 0
    for _ in 0..<3 {
      machine.cpu {
        frames.allocator.retain(frame)
        if frames.allocator.release(frame) { freed += 10 }
        dropped += 1
        if frames.allocator.release(frame) { freed += 1 }
        if let other = try? frames.allocator.allocate() {
          machine.check(dropped == 3, "a frame is handed out that others have references to")
          frames.allocator.free(other)
        }
      }
    }
    machine.atEnd {
      machine.check(freed == 1, "the last reference was dropped \(freed) times")
      frames.forget(frame)
      frames.checkAll(machine)
    }
  }

  /// Two CPUs free the same frame: one of them is refused, and the frame is free once.
  static let doubleFree = Scenario("FrameAllocator/double-free") { machine in
    let frames = Frames(frameCount: 3, cpuCount: 3)
    guard let frame = frames.take(machine) else { return machine.check(false, "no frame") }
    frames.allocator.tolerateMisuse(true)
    frames.forget(frame)
    for _ in 0..<2 { machine.cpu { frames.allocator.free(frame) } }
    machine.cpu { frames.allocator.reclaim() }
    machine.atEnd {
      let count = frames.allocator.misuseCount
      machine.check(count == 1, "of two that free the same frame \(count) are refused")
      frames.checkAll(machine)
    }
  }

  /// An idle CPU zeroes frames while others want all that there is: a frame that it is about to zero can be had
  /// all the time, and what is handed out as zeroes is zero.
  static let zeroedAhead = Scenario("FrameAllocator/zeroed-ahead") { machine in
    let frames = Frames(frameCount: 3, cpuCount: 2)
    let questions = Atomic64(0)
    func use(_ frame: PhysicalAddress?, isZero: Bool) {
      guard let frame, let words = PhysicalMemoryWindow.pointer(to: frame.rawValue) else { return }
      let page = UnsafeMutableBufferPointer(
        start: words.assumingMemoryBound(to: UInt64.self), count: 512)
      machine.check(!isZero || page.allSatisfy { $0 == 0 }, "a frame of zeroes is not zero")
      page[511] = 1
      frames.give(frame)
    }
    machine.cpu {
      for _ in 0..<2 {
        use(frames.take(machine, isZeroed: true), isZero: true)
        // Each question is a place where the other CPU goes on.
        for _ in 0..<2 {
          let isLeft = frames.allocator.zeroAhead {
            questions.value.load(ordering: .relaxed) == .max
          }
          if !isLeft { break }
        }
      }
      use(frames.take(machine, isZeroed: true), isZero: true)
    }
    machine.cpu {
      let taken = (0..<3).map { _ in frames.take(machine) }
      for frame in taken { use(frame, isZero: false) }
      use(frames.take(machine, isZeroed: true), isZero: true)
    }
    machine.atEnd { frames.checkAll(machine) }
  }
}
