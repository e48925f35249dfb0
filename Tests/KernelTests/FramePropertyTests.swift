import Boot
import Machine
import PerCPU
import TestSupport
import Testing

@testable import PhysicalMemory

private func address(_ frame: Int) -> PhysicalAddress { PhysicalAddress(UInt64(frame) * 4096) }

extension SimulatedMachine {
  /// The allocator against a set of frames, on several CPUs in turn and at the same time.
  @Suite struct FramePropertyTests {
    @Test(arguments: 1...8 as ClosedRange<UInt64>, [0, 3])
    func agreesWithASetOfFrames(seed: UInt64, cpuCount: Int) throws {
      var random = SplitMix64(seed: seed)
      let fixture = FrameFixture(usable: scatteredRanges, cpuCount: cpuCount)
      let firstFrame = fixture.frames.min() ?? 0
      let end = (fixture.frames.max() ?? 0) + 1
      var free = fixture.frames
      let all = free.count
      var held: [Range<Int>] = []
      for step in 0..<400 {
        let cpu = Int.random(in: 0..<Swift.max(cpuCount, 1), using: &random)
        try onCPU(cpu) {
          switch Int.random(in: 0..<20, using: &random) {
          case 0..<8 where !held.isEmpty:
            var run = held.remove(at: .random(in: held.indices, using: &random))
            if run.count > 1, Bool.random(using: &random) {
              // Only a part; the rest stays.
              let split = Int.random(in: run.lowerBound + 1..<run.upperBound, using: &random)
              held.append(split..<run.upperBound)
              run = run.lowerBound..<split
            }
            fixture.allocator.free(address(run.lowerBound), count: run.count)
            free.formUnion(run)
          case 8:
            let first = Int.random(in: firstFrame..<end, using: &random)
            let run = first..<first + Int.random(in: 1...6, using: &random)
            let possible = free.isSuperset(of: run)
            let isTaken =
              (try? fixture.allocator.allocate(at: address(run.lowerBound), count: run.count))
              != nil
            #expect(isTaken == possible, "step \(step)")
            if isTaken {
              free.subtract(run)
              held.append(run)
            }
          case 9 where step % 5 == 0: fixture.allocator.reclaim()
          case 10 where cpuCount > 0:
            for _ in 0..<2 where !fixture.allocator.zeroAhead() { break }
          case 11:
            if let frame = try? fixture.allocator.allocateZeroed() {
              let number = Int(frame.rawValue / 4096)
              try #require(free.remove(number) != nil, "step \(step): handed out twice")
              held.append(number..<number + 1)
            } else {
              #expect(free.isEmpty, "step \(step)")
            }
          default:
            let count =
              Bool.random(using: &random)
              ? 1 << Int.random(in: 0...4, using: &random) : Int.random(in: 1...100, using: &random)
            let unit = Bool.random(using: &random) ? 1 : 1 << Int.random(in: 0...5, using: &random)
            let limit =
              Bool.random(using: &random)
              ? Int.max : Int.random(in: firstFrame...end, using: &random)
            let run = try? fixture.allocator.allocate(
              count: count, alignment: UInt64(unit) * 4096,
              below: limit == .max ? .max : UInt64(limit) * 4096)
            if let run {
              let start = Int(run.rawValue / 4096)
              #expect(start % unit == 0 && start + count <= limit, "step \(step)")
              try #require(
                free.isSuperset(of: start..<start + count), "step \(step): handed out twice")
              free.subtract(start..<start + count)
              held.append(start..<start + count)
            } else {
              let possible = stride(from: 0, to: end, by: unit).contains {
                $0 + count <= limit && free.isSuperset(of: $0..<$0 + count)
              }
              #expect(!possible, "step \(step): there is a run of \(count) frames")
            }
          }
        }
        try #require(fixture.allocator.freeFrameCount == free.count, "step \(step)")
        if step % 100 == 0 { try #require(fixture.faults() == [], "step \(step)") }
      }
      for run in held { fixture.allocator.free(address(run.lowerBound), count: run.count) }
      #expect(fixture.allocator.freeFrameCount == all)
      fixture.allocator.reclaim()
      #expect(fixture.faults() == [])
      #expect(fixture.allocator.misuseCount == 0)
    }

    /// Every CPU writes to the frames that it holds: what it reads back must be its own. Memory is
    /// so short that CPUs take from each other's caches all the time.
    @Test func noFrameHasTwoHoldersAtOnce() {
      let fixture = FrameFixture(usable: scatteredRanges, cpuCount: 4)
      let before = fixture.allocator.freeFrameCount
      let violations = Atomic<Int>(0)
      onSimulatedCPUs(4) { index in
        var random = SplitMix64(seed: UInt64(index))
        var held: [(start: PhysicalAddress, count: Int)] = []
        func words(
          of run: (start: PhysicalAddress, count: Int), _ body: (UnsafeMutablePointer<Int>) -> Void
        ) {
          for frame in 0..<UInt64(run.count) {
            if let page = PhysicalMemoryWindow.pointer(to: run.start.rawValue + frame * 4096) {
              body(page.assumingMemoryBound(to: Int.self))
            }
          }
        }
        func free(_ run: (start: PhysicalAddress, count: Int)) {
          words(of: run) { if $0[0] != index { violations.wrappingAdd(1, ordering: .relaxed) } }
          fixture.allocator.free(run.start, count: run.count)
        }
        for step in 0..<4000 {
          let count =
            step % 3 == 0
            ? Int.random(in: 1...8, using: &random) : 1 << Int.random(in: 0...3, using: &random)
          if held.count < 60, Int.random(in: 0..<3, using: &random) > 0,
            let start = try? fixture.allocator.allocate(count: count)
          {
            words(of: (start, count)) { $0[0] = index }
            held.append((start, count))
          } else if !held.isEmpty {
            free(held.remove(at: .random(in: held.indices, using: &random)))
          }
          if step % 500 == 499 { fixture.allocator.reclaim() }
        }
        for run in held { free(run) }
      }
      #expect(violations.load(ordering: .relaxed) == 0)
      #expect(fixture.allocator.freeFrameCount == before)
      #expect(fixture.allocator.misuseCount == 0)
      fixture.allocator.reclaim()
      #expect(fixture.faults() == [])
    }

    /// 16 frames for 4 CPUs that each want 4 and find them, however they are spread over caches.
    @Test func whatIsFreeIsFoundWhileOthersAllocate() {
      let fixture = FrameFixture(
        usable: [
          PhysicalRange(
            start: SimulatedMachine.spare.start.rawValue,
            byteCount: 16 * 4096)
        ], cpuCount: 4)
      let failures = Atomic<Int>(0)
      onSimulatedCPUs(4) { _ in
        for _ in 0..<2000 {
          var held: [PhysicalAddress] = []
          for _ in 0..<4 {
            if let frame = try? fixture.allocator.allocate() {
              held.append(frame)
            } else {
              failures.wrappingAdd(1, ordering: .relaxed)
            }
          }
          for frame in held { fixture.allocator.free(frame) }
        }
      }
      #expect(failures.load(ordering: .relaxed) == 0)
      #expect(fixture.allocator.freeFrameCount == 16)
    }

    /// Two CPUs free the same frame at the same time: one is refused, and the frame is free once.
    @Test func aFrameFreedTwiceAtOnceIsFreeOnce() throws {
      let fixture = FrameFixture(usable: [scatteredRanges[1]], cpuCount: 4)
      let before = fixture.allocator.freeFrameCount
      fixture.allocator.tolerateMisuse(true)
      let frames = try (0..<100).map { _ in try fixture.allocator.allocate() }
      let arrived = Atomic<Int>(0)
      onSimulatedCPUs(4) { _ in
        arrived.wrappingAdd(1, ordering: .relaxed)
        while arrived.load(ordering: .relaxed) < 4 { Processor.pause() }
        for frame in frames { fixture.allocator.free(frame) }
      }
      #expect(fixture.allocator.misuseCount == 300)
      #expect(fixture.allocator.freeFrameCount == before)
      var taken: Set<UInt64> = []
      while let frame = try? fixture.allocator.allocate() {
        #expect(taken.insert(frame.rawValue).inserted)
      }
      #expect(taken.count == before)
    }

    /// What must not be freed: nothing changes, and it is counted.
    @Test func misuseChangesNothing() throws {
      let fixture = FrameFixture(usable: scatteredRanges, cpuCount: 2)
      fixture.allocator.tolerateMisuse(true)
      let frame = try fixture.allocator.allocate()
      let shared = try fixture.allocator.allocate()
      fixture.allocator.retain(shared)
      let used = try fixture.allocator.allocate()
      fixture.allocator.setUse(.slab, value: 7, of: used)
      let run = try fixture.allocator.allocate(count: 8)
      fixture.allocator.free(run, count: 8)
      let before = fixture.allocator.freeFrameCount
      let wrong: [(PhysicalAddress, Int)] = [
        (PhysicalAddress(frame.rawValue + 8), 1), (PhysicalAddress(0), 1),
        (PhysicalAddress(frame.rawValue + (1 << 50)), 1), (frame, 3), (frame, 0), (frame, -1),
        (frame, .max), (shared, 1), (used, 1), (run, 8), (run, 1), (run, 2),
        (PhysicalAddress(run.rawValue + 4096), 1), (PhysicalAddress(.max), 1),
        (PhysicalAddress(scatteredRanges[1].start.rawValue - 4096), 1),
        (PhysicalAddress(scatteredRanges[2].end.rawValue), 1),
      ]
      for (start, count) in wrong { fixture.allocator.free(start, count: count) }
      // Whatever is free at the moment, one by one: most of its records were never written.
      for frame in fixture.frames
      where fixture.allocator.record(of: address(frame))?.isHeld == false {
        fixture.allocator.free(address(frame))
      }
      #expect(fixture.allocator.misuseCount >= wrong.count + before / 2)
      #expect(fixture.allocator.freeFrameCount == before)
      #expect(fixture.faults() == [])
      fixture.allocator.tolerateMisuse(false)
      fixture.allocator.free(frame)
      #expect(!fixture.release(shared))
      #expect(fixture.release(shared))
      fixture.allocator.endUse(of: used)
      fixture.allocator.free(used)
      fixture.allocator.reclaim()
      #expect(fixture.faults() == [])
      #expect(fixture.allocator.freeFrameCount == fixture.frames.count)
    }

    @Test func whatIsFreeCannotBeFreed() async {
      await #expect(processExitsWith: .failure) {
        let fixture = FrameFixture(usable: scatteredRanges, cpuCount: 1)
        let frame = try fixture.allocator.allocate()
        fixture.allocator.free(frame)
        fixture.allocator.free(frame)
      }
      await #expect(processExitsWith: .failure) {
        let fixture = FrameFixture(usable: scatteredRanges)
        let frame = try fixture.allocator.allocate(count: 2)
        fixture.allocator.free(frame, count: 2)
        fixture.allocator.free(frame)
      }
      await #expect(processExitsWith: .failure) {
        let fixture = FrameFixture(usable: scatteredRanges)
        let frame = try fixture.allocator.allocate()
        fixture.allocator.retain(frame)
        fixture.allocator.free(frame)
      }
    }

    /// Every allocation fails in turn: the ones before it are given back, and nothing is lost.
    @Test func everyAllocationCanFail() throws {
      let fixture = FrameFixture(usable: scatteredRanges, cpuCount: 2)
      let before = fixture.allocator.freeFrameCount
      let allocations: [() throws -> (PhysicalAddress, Int)] = [
        {
          try fixture.allocator.allocate(at: scatteredRanges[2].start)
          return (scatteredRanges[2].start, 1)
        },
        { (try fixture.allocator.allocate(), 1) },
        { (try fixture.allocator.allocate(count: 4), 4) },
        { (try fixture.allocator.allocate(count: 7, alignment: 16384), 7) },
        { (try fixture.allocator.allocate(count: 3, below: scatteredRanges[1].end.rawValue), 3) },
        { (try fixture.allocator.allocateZeroed(), 1) },
      ]
      for number in 1...allocations.count + 1 {
        fixture.allocator.failAllocations(from: number)
        var held: [(PhysicalAddress, Int)] = []
        var failed = 0
        for (index, allocate) in allocations.enumerated() {
          do { held.append(try allocate()) } catch {
            failed += 1
            #expect(index == number - 1 && error is FrameAllocatorError)
          }
        }
        fixture.allocator.stopFailing()
        #expect(failed == (number <= allocations.count ? 1 : 0))
        for (start, count) in held { fixture.allocator.free(start, count: count) }
        #expect(fixture.allocator.freeFrameCount == before)
      }
      #expect(fixture.faults() == [])
    }
  }
}
