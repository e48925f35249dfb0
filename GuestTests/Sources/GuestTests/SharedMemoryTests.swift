import Apus
import CProbe
import GuestTesting
import VirtualMemory

/// All CPUs at once on the same addresses: nobody may see memory that is not his any more, and at the end
/// all memory is free again, to the frame.
///
/// `SOAK_ROUNDS` in the environment says how many rounds there are.
enum SharedMemoryTests {
  static var suite: TestSuite {
    TestSuite(
      name: "SharedMemory",
      [
        Test("no CPU reaches a page through a translation that is stale", minimumCPUs: 2) { t in
          balanced(t) { staleTranslations(t) }
        },
        Test("accesses while the memory is unmapped", minimumCPUs: 2) { t in
          balanced(t) { unmapUnderAccess(t) }
        },
        Test("a thread that goes from CPU to CPU leaves nothing behind", minimumCPUs: 2) { t in
          // The table of each CPU's arena stays from the first time on.
          let before = FaultTests.settledFreeByteCount()
          mapOnEachCPU(t)
          let used = before - FaultTests.settledFreeByteCount()
          t.expect(used <= CPUSet.online.count * 4096, "\(used) bytes stay")
          balanced(t) { mapOnEachCPU(t) }
        },
        Test("any operations by all CPUs, each in its own memory", minimumCPUs: 2) { t in
          balanced(t) {
            CPUSet.online.run { cpu in
              var work = ReferenceWork(cpu: cpu, t)
              for _ in 0..<rounds / 20 { work.step() }
              work.finish()
            }
          }
        },
      ])
  }

  static var rounds: Int {
    // A round waits for every CPU, which may not run all the time.
    Environment.value(of: "SOAK_ROUNDS").flatMap { Int($0) }
      ?? 40_000 / (CPUSet.online.count * CPUSet.online.count)
  }

  static func balanced(_ t: TestContext, _ body: () -> Void) {
    // What stays from the first use: tables of the CPUs' own parts, pages of this stack, and the tables by which
    // each CPU finds those.
    let visitors = Atomic<Int>(0)
    CPUSet.online.run { _ in visitors.wrappingAdd(1, ordering: .relaxed) }
    FaultTests.withRange(t, byteCount: 4096) { words in
      let address = UInt(bitPattern: words)
      CPUSet.online.run { cpu in
        UnsafeMutablePointer<UInt64>(bitPattern: address)?[cpu.index] = 1
        UnsafeMutableRawPointer.allocate(byteCount: 2 << 20, alignment: 16).deallocate()
      }
    }
    let before = FaultTests.settledFreeByteCount()
    body()
    t.expect(FaultTests.settledFreeByteCount(), equals: before, "free bytes")
  }

  /// A thread maps and touches memory on each CPU, and unmaps all of it on the last one.
  private static func mapOnEachCPU(_ t: TestContext) {
    let thread = try? Thread.spawn {
      do throws(AddressSpaceError) {
        var starts: [UInt64] = []
        for cpu in CPUSet.online {
          try? Thread.current.setAffinity(CPUSet(cpu))
          for byteCount in [4096, 64 << 12, 5 << 20] as [UInt64] {
            let start = try AddressSpace.shared.map(byteCount: byteCount, .write)
            for offset in stride(from: 0, to: byteCount, by: 4096) {
              UnsafeMutablePointer<UInt64>(bitPattern: UInt(start + offset))?.pointee = offset
            }
            starts.append(start)
          }
        }
        for (index, start) in starts.enumerated() {
          try AddressSpace.shared.unmap(
            at: start, byteCount: [4096, 64 << 12, 5 << 20][index % 3])
        }
      } catch { t.fail("\(error)") }
    }
    guard let thread else { return t.fail("no thread") }
    thread.join()
  }

  // MARK: Stale translations

  private static let pageCount = 8
  /// Rounds after which all CPUs must have accessed all pages once more.
  private static let roundsPerMeeting = 64

  /// One CPU takes pages away in each round, and lets other memory have the frames at once, whose canaries
  /// must stay. The others read and write the pages all the time: what they see is what they wrote, or
  /// zero, never a canary of the memory that got the frames.
  private static func staleTranslations(_ t: TestContext) {
    let base = FaultTests.base
    let byteCount = UInt64(pageCount) * 4096
    let isOver = Atomic<Int>(0)
    let turns = UnsafeMutablePointer<Atomic<Int>>.allocate(capacity: CPUSet.online.count)
    for index in 0..<CPUSet.online.count { (turns + index).initialize(to: Atomic(0)) }
    withUnsafePointer(to: isOver) { isOver in
      let shared = Shared(isOver: isOver, turns: turns)
      do throws(AddressSpaceError) {
        try AddressSpace.shared.map(at: base, byteCount: byteCount, .write)
      } catch { return t.fail("memory cannot be mapped") }
      CPUSet.online.run { cpu in
        if cpu.index == 0 {
          for round in 1...rounds {
            if round % roundsPerMeeting == 1 { shared.waitForAll(but: 0) }
            changeMemory(round, base, byteCount, t)
          }
          shared.isOver.pointee.store(1, ordering: .releasing)
        } else {
          while shared.isOver.pointee.load(ordering: .acquiring) == 0 {
            for page in 0..<pageCount { use(base, page, t) }
            shared.turns[cpu.index].wrappingAdd(1, ordering: .releasing)
            probe_pause()
          }
        }
      }
      do throws(AddressSpaceError) {
        try AddressSpace.shared.unmap(at: base, byteCount: byteCount)
      } catch { t.fail("memory cannot be unmapped") }
    }
    turns.deallocate()
  }

  /// Words of all CPUs, on the stack of the thread that waits for them.
  private struct Shared: @unchecked Sendable {
    let isOver: UnsafePointer<Atomic<Int>>
    /// How often each CPU has accessed all pages.
    let turns: UnsafeMutablePointer<Atomic<Int>>

    /// Waits until each other CPU has done one whole turn more.
    func waitForAll(but own: Int) {
      for cpu in CPUSet.online where cpu.index != own {
        let turn = turns[cpu.index].load(ordering: .acquiring)
        while turns[cpu.index].load(ordering: .acquiring) < turn + 2 { probe_pause() }
      }
    }
  }

  private static func canary(_ page: Int) -> UInt64 { UInt64(page) << 8 | 0xCA }

  private static let secret: UInt64 = 0x5EC2_E75E_C2E7_5EC2

  private static func changeMemory(
    _ round: Int, _ base: UInt64, _ byteCount: UInt64, _ t: TestContext
  ) {
    do throws(AddressSpaceError) {
      if round % 4 == 1 {
        try AddressSpace.shared.map(at: base, byteCount: byteCount, .write, replacing: true)
      } else {
        try AddressSpace.shared.discard(at: base, byteCount: byteCount)
      }
    } catch { t.fail("an operation on a range fails") }
    // Other memory, which most likely gets those frames.
    withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<UInt64>.self, capacity: pageCount) {
      blocks in
      for index in 0..<pageCount {
        let block = UnsafeMutablePointer<UInt64>.allocate(capacity: 512)
        for word in [0, 1, 256, 511] { block[word] = secret }
        blocks.initializeElement(at: index, to: block)
      }
      for _ in 0..<4 { probe_pause() }
      for block in blocks {
        for word in [0, 1, 256, 511] where block[word] != secret {
          t.fail("round \(round): memory was written through a stale translation")
        }
        block.deallocate()
      }
    }
  }

  /// Reads and writes a page.
  private static func use(_ base: UInt64, _ page: Int, _ t: TestContext) {
    guard let words = UnsafeMutablePointer<UInt64>(bitPattern: UInt(base) + UInt(page) * 4096)
    else { return }
    for word in [0, 1, 256, 511] {
      let value = words[word]
      if value != 0 && value != canary(page) { t.fail("page \(page): \(value) was read") }
      words[word] = canary(page)
    }
  }

  // MARK: Unmap under access

  private struct SharedFlag: @unchecked Sendable {
    let isSet: UnsafePointer<Atomic<Int>>
  }

  /// CPUs access memory that another one takes away and maps again: an access either works or waits for
  /// the operation to end; nothing is lost and nothing else is seen.
  private static func unmapUnderAccess(_ t: TestContext) {
    let base = FaultTests.base
    let byteCount: UInt64 = 64 << 12
    let isOver = Atomic<Int>(0)
    withUnsafePointer(to: isOver) { isOver in
      let shared = SharedFlag(isSet: isOver)
      do throws(AddressSpaceError) {
        try AddressSpace.shared.map(at: base, byteCount: byteCount, .write)
      } catch { return t.fail("memory cannot be mapped") }
      CPUSet.online.run { cpu in
        if cpu.index == 0 {
          for round in 0..<rounds / 40 {
            do throws(AddressSpaceError) {
              let start = base + UInt64(round % 48) * 4096
              try AddressSpace.shared.map(
                at: start, byteCount: UInt64(1 + round % 16) * 4096, .write, replacing: true)
            } catch { t.fail("memory cannot be replaced") }
            probe_pause()
          }
          shared.isSet.pointee.store(1, ordering: .releasing)
        } else {
          var random = MemoryTests.SplitMix(seed: UInt64(cpu.index))
          while shared.isSet.pointee.load(ordering: .acquiring) == 0 {
            let page = UInt(random.next() % 64)
            let word = UnsafeMutablePointer<UInt64>(
              bitPattern: UInt(base) + page * 4096 + UInt(cpu.index) * 64)
            guard let word else { return }
            let value = word.pointee
            if value != 0 && value != UInt64(cpu.index) { t.fail("page \(page) holds \(value)") }
            word.pointee = UInt64(cpu.index)
            probe_pause()
          }
        }
      }
      do throws(AddressSpaceError) {
        try AddressSpace.shared.unmap(at: base, byteCount: byteCount)
      } catch { t.fail("memory cannot be unmapped") }
    }
  }

  // MARK: Against a reference

  /// Operations on memory of one CPU, between that of others, and what each page must hold.
  struct ReferenceWork {
    private static let pageCount = 48
    private let t: TestContext
    private let cpu: Int
    private let base: UInt64
    private var random: MemoryTests.SplitMix
    /// What each page holds in all its words; `nil` where nothing is mapped.
    private var contents = [UInt64?](repeating: nil, count: pageCount)
    private var isWritable = [Bool](repeating: false, count: pageCount)
    private var stamp: UInt64 = 1

    init(cpu: CPU, _ t: TestContext) {
      self.t = t
      self.cpu = cpu.index
      // All CPUs' pages lie in the same tables.
      base = FaultTests.base + UInt64(cpu.index) * UInt64(Self.pageCount) * 4096
      random = MemoryTests.SplitMix(seed: UInt64(cpu.index) &* 7919 &+ 1)
    }

    mutating func step() {
      let first = Int(random.next() % UInt64(Self.pageCount))
      let count = 1 + Int(random.next() % UInt64(Self.pageCount - first))
      let start = base + UInt64(first) * 4096
      let byteCount = UInt64(count) * 4096
      let pages = first..<first + count
      do throws(AddressSpaceError) {
        switch random.next() % 8 {
        case 0, 1:
          try AddressSpace.shared.map(at: start, byteCount: byteCount, .write, replacing: true)
          for page in pages { set(page, 0, true) }
        case 2:
          try AddressSpace.shared.unmap(at: start, byteCount: byteCount)
          for page in pages { set(page, nil, false) }
        case 3:
          try AddressSpace.shared.protect(at: start, byteCount: byteCount, [])
          for page in pages { isWritable[page] = false }
        case 4:
          try AddressSpace.shared.protect(at: start, byteCount: byteCount, .write)
          for page in pages { isWritable[page] = contents[page] != nil }
        case 5:
          try AddressSpace.shared.discard(at: start, byteCount: byteCount)
          for page in pages where contents[page] != nil { contents[page] = 0 }
        default: access(pages)
        }
      } catch { t.fail("an operation of CPU \(cpu) fails") }
    }

    private mutating func set(_ page: Int, _ value: UInt64?, _ isWritable: Bool) {
      contents[page] = value
      self.isWritable[page] = isWritable
    }

    /// Checks every byte of the pages, and writes new ones.
    private mutating func access(_ pages: Range<Int>) {
      for page in pages {
        guard let expected = contents[page],
          let words = UnsafeMutablePointer<UInt64>(
            bitPattern: UInt(base) + UInt(page) * 4096)
        else { continue }
        for word in 0..<512 where words[word] != expected {
          t.fail("CPU \(cpu), page \(page): \(words[word]) instead of \(expected)")
          break
        }
        guard isWritable[page] else { continue }
        stamp += 1
        let value = stamp << 8 | UInt64(cpu)
        for word in 0..<512 { words[word] = value }
        contents[page] = value
      }
    }

    mutating func finish() {
      access(0..<Self.pageCount)
      do throws(AddressSpaceError) {
        try AddressSpace.shared.unmap(at: base, byteCount: UInt64(Self.pageCount) * 4096)
      } catch { t.fail("memory of CPU \(cpu) cannot be unmapped") }
    }
  }
}
