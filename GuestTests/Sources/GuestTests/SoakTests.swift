import Apus
import CProbe
import GuestTesting

/// Many operations on the heap and on whole frames by all CPUs, with marks in every block; then
/// everything is freed, and all memory must be free again.
///
/// `SOAK_OPERATIONS` in the environment says how many operations all CPUs do together.
enum SoakTests {
  /// Each CPU's part of the address space keeps one table from its first use on.
  static func useEveryPart() {
    CPUSet.online.run { _ in
      UnsafeMutableRawPointer.allocate(byteCount: 2 << 20, alignment: 16).deallocate()
    }
  }

  static var suite: TestSuite {
    TestSuite(
      name: "Soak",
      [
        Test("everything that was freed is free, to the frame", minimumCPUs: 4) { t in
          let operations = operationCount / CPUSet.online.count
          let boxes = Boxes()
          Memory.reclaim()
          let before = Memory.freeByteCount
          CPUSet.online.run { cpu in
            var work = Work(cpu: cpu, boxes: boxes)
            for _ in 0..<operations { work.step(t) }
            work.freeAll(t)
          }
          boxes.empty { Work.check($0, t) }
          Memory.reclaim()
          t.expect(Memory.freeByteCount, equals: before, "free bytes")
        },
        Test("C's functions of the heap, large blocks") { t in
          useEveryPart()
          Memory.reclaim()
          let before = Memory.freeByteCount
          let line = probe_large_heap(1)
          t.expect(line == 0, "line \(line) of probe.c")
          Memory.reclaim()
          t.expect(Memory.freeByteCount, equals: before, "free bytes")
        },
        Test("large blocks of all CPUs") { t in
          useEveryPart()
          Memory.reclaim()
          let before = Memory.freeByteCount
          CPUSet.online.run { cpu in
            for round in 1..<20 {
              let count = 200_000 * (1 + round % 4)
              let block = UnsafeMutablePointer<UInt64>.allocate(capacity: count)
              for word in stride(from: 0, to: count, by: 511) {
                block[word] = UInt64(word + cpu.index)
              }
              for word in stride(from: 0, to: count, by: 511)
              where block[word] != UInt64(word + cpu.index) {
                t.fail("a block of CPU \(cpu.index) was written by somebody else")
              }
              block.deallocate()
            }
          }
          Memory.reclaim()
          t.expect(Memory.freeByteCount, equals: before, "free bytes")
        },
        Test("C's functions of the heap") { t in
          Memory.reclaim()
          let before = Memory.freeByteCount
          CPUSet.online.run { cpu in
            let line = probe_heap(UInt64(cpu.index))
            if line != 0 { t.fail("line \(line) of probe.c on CPU \(cpu.index)") }
          }
          Memory.reclaim()
          t.expect(Memory.freeByteCount, equals: before, "free bytes")
        },
      ])
  }

  private static var operationCount: Int {
    Environment.value(of: "SOAK_OPERATIONS").flatMap { Int($0) } ?? 1_000_000
  }

  /// Blocks on their way from one CPU to another.
  final class Boxes: Sendable {
    private let blocks = Array64()

    /// Puts a block in a box and takes out what was there; 0 for nothing.
    func exchange(_ block: UInt, _ box: Int) -> UInt {
      blocks.all[box % 64].exchange(block, ordering: .acquiringAndReleasing)
    }

    func empty(_ body: (UInt) -> Void) {
      for box in 0..<64 {
        let block = exchange(0, box)
        if block != 0 { body(block) }
      }
    }
  }

  /// 64 atomic words.
  struct Array64: ~Copyable, @unchecked Sendable {
    let all: UnsafeMutablePointer<Atomic<UInt>>

    init() {
      all = .allocate(capacity: 64)
      for index in 0..<64 { (all + index).initialize(to: Atomic(0)) }
    }

    deinit { all.deallocate() }
  }

  /// What one CPU holds: at most 128 blocks of all sizes. The first two words of a block say how
  /// large it is and where; the last one says so, too.
  struct Work {
    private let boxes: Boxes
    private var random: MemoryTests.SplitMix
    private let held: UnsafeMutableBufferPointer<UInt>
    private var count = 0

    init(cpu: CPU, boxes: Boxes) {
      self.boxes = boxes
      random = MemoryTests.SplitMix(seed: UInt64(cpu.index) &* 977 &+ 13)
      held = .allocate(capacity: 128)
    }

    mutating func step(_ t: TestContext) {
      let choice = random.next()
      if count < 128, choice % 2 == 0 {
        // Mostly small, some of whole frames, a few large.
        let words: Int =
          switch choice >> 8 % 64 {
          case 0: 512 + Int(choice >> 16 % 8000)
          case 1...4: 512
          default: 2 + Int(choice >> 16 % 200)
          }
        held[count] = Self.fill(words)
        count += 1
      } else if count > 0 {
        let index = Int(choice >> 16) % count
        var block = held[index]
        count -= 1
        held[index] = held[count]
        // Every fourth goes to whoever comes by, and what lies there is freed instead.
        if choice & 6 == 0 { block = boxes.exchange(block, Int(choice >> 40 & 63)) }
        if block != 0 { Self.check(block, t) }
      }
    }

    mutating func freeAll(_ t: TestContext) {
      while count > 0 {
        count -= 1
        Self.check(held[count], t)
      }
      held.deallocate()
    }

    private static func fill(_ words: Int) -> UInt {
      let block = UnsafeMutablePointer<UInt>.allocate(capacity: words)
      block[0] = UInt(words)
      block[1] = UInt(bitPattern: block) ^ 0xC0FFEE
      block[words - 1] = words == 2 ? block[1] : UInt(bitPattern: block) ^ UInt(words)
      return UInt(bitPattern: block)
    }

    /// Whether nobody else wrote to the block; then it is freed.
    static func check(_ address: UInt, _ t: TestContext) {
      guard let block = UnsafeMutablePointer<UInt>(bitPattern: address) else { return }
      let words = Int(block[0])
      let isIntact =
        words >= 2 && words < 10_000 && block[1] == address ^ 0xC0FFEE
        && (words == 2 || block[words - 1] == address ^ UInt(words))
      guard isIntact else { return t.fail("a block was written by somebody else") }
      block.deallocate()
    }
  }
}
