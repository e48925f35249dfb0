import Apus
import Boot
import CProbe
import GuestTesting
import Machine
import PhysicalMemory
import VirtualMemory

/// Memory that is taken away while other CPUs use it.
enum ShootdownTests {
  static var suite: TestSuite {
    TestSuite(
      name: "Shootdowns",
      [
        Test("a page that is free is not reached by an old translation", minimumCPUs: 2) { t in
          let result = StaleTranslations.run()
          t.expect(result.stale == 0, "\(result.stale) reads of pages that were another's")
          t.expect(result.reads > 0, "nothing was read")
        },
        Test("exactly those are told that use the pages", minimumCPUs: 3) { t in
          for others in 0...2 {
            let start = map(t, byteCount: 16 << 12)
            CPUSet.online.run { cpu in if cpu.index <= others { touch(start, 16) } }
            let sum = Atomic<Int>(0)
            CPUSet.online.run { cpu in
              guard cpu.index == 0 else { return }
              let before = sentByFirstCPU
              try? AddressSpace.shared.unmap(at: start, byteCount: 16 << 12)
              sum.wrappingAdd(sentByFirstCPU - before, ordering: .relaxed)
            }
            let told = sum.load(ordering: .relaxed)
            if AddressSpace.shared.scheme == .perCPU {
              t.expect(told, equals: others, "CPUs told")
            } else {
              // All that ever used something near.
              t.expect(told >= others && told < CPUSet.online.count, "\(told) CPUs told")
            }
          }
        },
        Test("permissions that are taken hold on all CPUs", minimumCPUs: 2) { t in
          let start = map(t, byteCount: 4 << 12)
          CPUSet.online.run { _ in touch(start, 4) }
          for _ in 0..<100 {
            try? AddressSpace.shared.protect(at: start, byteCount: 4 << 12, [])
            let sum = Atomic<UInt64>(0)
            CPUSet.online.run { _ in
              let word = UnsafePointer<UInt64>(bitPattern: UInt(start))
              _ = sum.wrappingAdd(word?.pointee ?? 0, ordering: .relaxed)
            }
            t.expect(sum.load(ordering: .relaxed), equals: UInt64(CPUSet.online.count))
            try? AddressSpace.shared.protect(at: start, byteCount: 4 << 12, .write)
            CPUSet.online.run { _ in touch(start, 4) }
          }
          try? AddressSpace.shared.unmap(at: start, byteCount: 4 << 12)
        },
        Test(
          "a CPU that does not answer", dies: "has not answered an urgent call for 10 s",
          minimumCPUs: 2
        ) {
          guard let start = try? AddressSpace.shared.map(byteCount: 4096, .write) else { return }
          let isDeaf = Atomic<Int>(0)
          CPUSet.online.run { cpu in
            touch(start, 1)
            if cpu.index == 1 {
              probe_disable_interrupts()
              isDeaf.store(1, ordering: .releasing)
              while isDeaf.load(ordering: .relaxed) == 1 { Processor.pause() }
              probe_enable_interrupts()
            } else if cpu.index == 0 {
              while isDeaf.load(ordering: .acquiring) == 0 { Processor.pause() }
              try? AddressSpace.shared.unmap(at: start, byteCount: 4096)
              isDeaf.store(2, ordering: .relaxed)
            }
          }
        },
      ])
  }

  private static func map(_ t: TestContext, byteCount: UInt64) -> UInt64 {
    do throws(AddressSpaceError) {
      return try AddressSpace.shared.map(byteCount: byteCount, .write)
    } catch {
      t.fail("no range")
      return 0
    }
  }

  private static func touch(_ start: UInt64, _ pageCount: UInt64) {
    for page in 0..<pageCount {
      UnsafeMutablePointer<UInt64>(bitPattern: UInt(start + page << 12))?.pointee = 1
    }
  }

  private static var sentByFirstCPU: Int {
    AddressSpace.shared.shootdownCounts(of: CPU(index: 0)).sent
  }
}

/// One CPU takes pages away and marks their frames as somebody else's; all others read the pages all the
/// time. Who reads the mark has used a translation that it had to forget.
enum StaleTranslations {
  struct Result {
    var reads = 0
    var stale = 0
  }

  private static let pageCount: UInt64 = 4
  private static let mark: UInt64 = 0xDEAD_DEAD_DEAD_DEAD

  /// `SOAK_ROUNDS` in the environment; without it 10,000, but for two seconds only: where there are fewer
  /// processors than CPUs a round takes long.
  private static var limit: (rounds: Int, nanoseconds: UInt64) {
    Environment.value(of: "SOAK_ROUNDS").flatMap { Int($0) }.map { ($0, .max) }
      ?? (10_000, 2_000_000_000)
  }

  /// All CPUs take part; the range is the test's own.
  static func run() -> Result {
    guard let start = try? AddressSpace.shared.map(byteCount: pageCount << 12, .write) else {
      return Result()
    }
    let isOver = Atomic<Int>(0)
    let reads = Atomic<Int>(0)
    let stale = Atomic<Int>(0)
    CPUSet.online.run { cpu in
      if cpu.index == 0 {
        takeAway(start)
        isOver.store(1, ordering: .releasing)
      } else {
        var count = 0
        while isOver.load(ordering: .acquiring) == 0 {
          for page in 0..<pageCount {
            let word = UnsafePointer<UInt64>(bitPattern: UInt(start + page << 12))
            if word?.pointee == mark { _ = stale.wrappingAdd(1, ordering: .relaxed) }
          }
          count += 1
          Processor.pause()
        }
        _ = reads.wrappingAdd(count, ordering: .relaxed)
      }
    }
    try? AddressSpace.shared.unmap(at: start, byteCount: pageCount << 12)
    return Result(reads: reads.load(ordering: .relaxed), stale: stale.load(ordering: .relaxed))
  }

  /// Gives the pages up, and gets as many frames as this CPU has freed just before, to mark them.
  private static func takeAway(_ start: UInt64) {
    let (rounds, nanoseconds) = limit
    let begin = MonotonicClock.nanoseconds
    for _ in 0..<rounds where MonotonicClock.nanoseconds - begin < nanoseconds {
      for page in 0..<pageCount {
        UnsafeMutablePointer<UInt64>(bitPattern: UInt(start + page << 12))?.pointee = 1
      }
      try? AddressSpace.shared.discard(at: start, byteCount: pageCount << 12)
      var frames = InlineArray<4, UInt64>(repeating: 0)
      for index in 0..<4 {
        guard let frame = try? FrameAllocator.shared.allocate() else { continue }
        frames[index] = frame.rawValue
        UnsafeMutablePointer<UInt64>(bitPattern: UInt(frame.rawValue))?.pointee = mark
      }
      Processor.pause()
      for index in 0..<4 where frames[index] != 0 {
        FrameAllocator.shared.free(PhysicalAddress(frames[index]))
      }
    }
  }
}
