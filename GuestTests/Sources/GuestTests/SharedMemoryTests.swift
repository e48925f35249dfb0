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
    Environment.value(of: "SOAK_ROUNDS").flatMap { Int($0) } ?? 10_000
  }

  static func balanced(_ t: TestContext, _ body: () -> Void) {
    let before = FaultTests.settledFreeByteCount()
    body()
    t.expect(FaultTests.settledFreeByteCount(), equals: before, "free bytes")
  }

  // MARK: Stale translations

  private static let pageCount = 8

  /// One CPU maps pages, says so, waits until all others have read and written them, takes them away, and
  /// lets other memory have the frames at once, whose canaries must stay. The others go on reading and
  /// writing until they find the pages replaced: what they see is a canary of the old pages or zero, never
  /// of the memory that got the frames.
  private static func staleTranslations(_ t: TestContext) {
    let turn = Atomic<Int>(0)
    let arrived = Atomic<Int>(0)
    let others = CPUSet.online.count - 1
    let base = FaultTests.base
    withUnsafePointer(to: turn) { turn in
      withUnsafePointer(to: arrived) { arrived in
        let shared = Shared(turn: turn, arrived: arrived)
        CPUSet.online.run { cpu in
          if cpu.index == 0 {
            for round in 1...rounds { changeMemory(round, others, base, shared, t) }
            shared.turn.pointee.store(-1, ordering: .releasing)
            do throws(AddressSpaceError) {
              try AddressSpace.shared.unmap(at: base, byteCount: UInt64(pageCount) * 4096)
            } catch { t.fail("memory cannot be unmapped") }
          } else {
            var seen = 0
            while true {
              let round = shared.turn.pointee.load(ordering: .acquiring)
              if round < 0 { return }
              if round == seen {
                probe_pause()
                continue
              }
              seen = round
              use(base, round, t)
              shared.arrived.pointee.wrappingAdd(1, ordering: .acquiringAndReleasing)
              // While the pages are replaced: each access finds the old page, or the new one.
              var accesses = 0
              while shared.turn.pointee.load(ordering: .acquiring) == round, accesses < 64 {
                useReplaced(base, round, t)
                accesses += 1
                probe_pause()
              }
            }
          }
        }
      }
    }
  }

  /// Words of all CPUs, on the stack of the thread that waits for them.
  private struct Shared: @unchecked Sendable {
    let turn: UnsafePointer<Atomic<Int>>
    let arrived: UnsafePointer<Atomic<Int>>
  }

  private static func canary(_ round: Int, _ page: Int) -> UInt64 {
    UInt64(round) << 16 | UInt64(page) << 8 | 0xCA
  }

  private static let secret: UInt64 = 0x5EC2_E75E_C2E7_5EC2

  private static func changeMemory(
    _ round: Int, _ others: Int, _ base: UInt64, _ shared: Shared, _ t: TestContext
  ) {
    do throws(AddressSpaceError) {
      let byteCount = UInt64(pageCount) * 4096
      // Every fourth round the promise stays and the pages go: then the next access finds zero.
      if round % 4 == 1 {
        try AddressSpace.shared.map(at: base, byteCount: byteCount, .write, replacing: true)
      } else {
        try AddressSpace.shared.discard(at: base, byteCount: byteCount)
      }
      shared.arrived.pointee.store(0, ordering: .relaxed)
      shared.turn.pointee.store(round, ordering: .releasing)
      while shared.arrived.pointee.load(ordering: .acquiring) < others { probe_pause() }
      try AddressSpace.shared.discard(at: base, byteCount: byteCount)
    } catch {
      t.fail("an operation on a range fails")
    }
    // Other memory, which most likely gets those frames.
    var blocks: [UnsafeMutablePointer<UInt64>] = []
    for _ in 0..<pageCount {
      let block = UnsafeMutablePointer<UInt64>.allocate(capacity: 512)
      block.initialize(repeating: secret, count: 512)
      blocks.append(block)
    }
    for _ in 0..<4 { probe_pause() }
    for block in blocks {
      for word in [0, 1, 2, 3, 4, 5, 6, 7, 511] where block[word] != secret {
        t.fail("round \(round): memory was written through a stale translation")
      }
      block.deallocate()
    }
  }

  /// Reads and writes all pages of a round.
  private static func use(_ base: UInt64, _ round: Int, _ t: TestContext) {
    for page in 0..<pageCount {
      guard let word = UnsafeMutablePointer<UInt64>(bitPattern: UInt(base) + UInt(page) * 4096)
      else { return }
      let value = word.pointee
      if value != 0 && value != canary(round, page) {
        t.fail("round \(round), page \(page): \(value) was there")
      }
      word.pointee = canary(round, page)
    }
  }

  private static func useReplaced(_ base: UInt64, _ round: Int, _ t: TestContext) {
    for page in 0..<pageCount {
      guard let word = UnsafeMutablePointer<UInt64>(bitPattern: UInt(base) + UInt(page) * 4096)
      else { return }
      let value = word.pointee
      // By now the next round may be on its way.
      if value != 0 && value & 0xFFFF != canary(0, page) {
        t.fail("round \(round), page \(page): memory of others was read, \(value)")
      }
      word[1] = canary(round, page)
    }
  }

  // MARK: Unmap under access

  /// CPUs access memory that another one takes away and maps again: an access either works or waits for
  /// the operation to end; nothing is lost and nothing else is seen.
  private static func unmapUnderAccess(_ t: TestContext) {
    let base = FaultTests.base
    let byteCount: UInt64 = 64 << 12
    let isOver = Atomic<Int>(0)
    withUnsafePointer(to: isOver) { isOver in
      let shared = Shared(turn: isOver, arrived: isOver)
      do throws(AddressSpaceError) {
        try AddressSpace.shared.map(at: base, byteCount: byteCount, .write)
      } catch { return t.fail("memory cannot be mapped") }
      CPUSet.online.run { cpu in
        if cpu.index == 0 {
          for round in 0..<rounds / 10 {
            do throws(AddressSpaceError) {
              let start = base + UInt64(round % 48) * 4096
              try AddressSpace.shared.map(
                at: start, byteCount: UInt64(1 + round % 16) * 4096, .write, replacing: true)
            } catch { t.fail("memory cannot be replaced") }
            probe_pause()
          }
          shared.turn.pointee.store(1, ordering: .releasing)
        } else {
          var random = MemoryTests.SplitMix(seed: UInt64(cpu.index))
          while shared.turn.pointee.load(ordering: .acquiring) == 0 {
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
