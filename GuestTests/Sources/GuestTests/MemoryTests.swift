import Apus
import GuestTesting

/// The heap under all CPUs at once.
enum MemoryTests {
  static var suite: TestSuite {
    TestSuite(
      name: "Memory",
      [
        Test("blocks of all CPUs never overlap") { t in
          CPUSet.online.run { cpu in
            var random = SplitMix(seed: UInt64(cpu.index) + 1)
            var blocks: [UnsafeMutableBufferPointer<UInt64>] = []
            for round in 0..<2000 {
              if blocks.count < 64, random.next() % 3 != 0 {
                let words = 1 + Int(random.next() % (round % 50 == 0 ? 3000 : 60))
                let block = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: words)
                block.initialize(repeating: stamp(block, cpu))
                blocks.append(block)
              } else if !blocks.isEmpty {
                let block = blocks.remove(at: Int(random.next() % UInt64(blocks.count)))
                let expected = stamp(block, cpu)
                if !block.allSatisfy({ $0 == expected }) {
                  t.fail("a block of CPU \(cpu.index) was written by somebody else")
                }
                block.deallocate()
              }
            }
            for block in blocks { block.deallocate() }
          }
        },
        Test("what is freed can be had again") { t in
          // 64 times what the smallest machine has: a leak of each block would show.
          for _ in 0..<4096 {
            let block = UnsafeMutableRawPointer.allocate(byteCount: 1 << 18, alignment: 4096)
            t.expect(UInt(bitPattern: block) % 4096 == 0, "alignment")
            block.deallocate()
          }
        },
        Test("blocks are aligned as asked") { t in
          for shift in 4..<17 {
            let alignment = 1 << shift
            for size in [1, alignment - 1, alignment, alignment + 1] {
              let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: alignment)
              t.expect(
                UInt(bitPattern: block) % UInt(alignment) == 0, "\(size) bytes at \(alignment)")
              block.deallocate()
            }
          }
        },
        Test("freed by another CPU", minimumCPUs: 2) { t in
          var blocks: [UnsafeMutablePointer<UInt64>] = []
          for value in 0..<UInt64(500) {
            let block = UnsafeMutablePointer<UInt64>.allocate(capacity: 8)
            block.initialize(to: value)
            blocks.append(block)
          }
          let handedOver = HandOver(blocks: blocks)
          CPUSet(CPU(index: 1)).run { _ in
            for (value, block) in handedOver.blocks.enumerated() {
              if block.pointee != UInt64(value) { t.fail("block \(value) is \(block.pointee)") }
              block.deallocate()
            }
          }
        },
        Test("Swift's own collections work on all CPUs") { t in
          CPUSet.online.run { cpu in
            var squares: [Int: Int] = [:]
            for number in 0..<1000 { squares[number] = number * number }
            let sum = squares.values.reduce(0, +)
            if sum != 332_833_500 { t.fail("the sum of squares is \(sum) on CPU \(cpu.index)") }
            var text = ""
            for number in 0..<100 { text += "\(number)," }
            if text.utf8.count != 290 { t.fail("a text of \(text.utf8.count) bytes") }
            let sorted = (0..<500).map { ($0 * 7919) % 503 }.sorted()
            for pair in zip(sorted, sorted.dropFirst()) where pair.0 > pair.1 { t.fail("unsorted") }
          }
        },
        Test("floating point") { t in
          CPUSet.online.run { cpu in
            var sum = 0.0
            for term in 0..<10_000 { sum += (term % 2 == 0 ? 4.0 : -4.0) / Double(2 * term + 1) }
            if (sum - 3.14149265).magnitude > 1e-6 { t.fail("pi is \(sum) on CPU \(cpu.index)") }
          }
          t.expect(2.5.rounded(.down) == 2 && (-2.5).rounded(.up) == -2, "rounding")
          t.expect(2.0.squareRoot() > 1.41421356 && 2.0.squareRoot() < 1.41421357, "square root")
          let wide = UInt128(1) << 100
          t.expect(wide / 3 * 3 + wide % 3 == wide, "128-bit division")
        },
      ])
  }

  static func stamp(_ block: UnsafeMutableBufferPointer<UInt64>, _ cpu: CPU) -> UInt64 {
    UInt64(UInt(bitPattern: block.baseAddress)) << 8 | UInt64(cpu.index)
  }

  /// Blocks that one CPU gives to another, which then owns them.
  struct HandOver: @unchecked Sendable {
    let blocks: [UnsafeMutablePointer<UInt64>]
  }

  /// SplitMix64 (Steele, Lea, Flood 2014).
  struct SplitMix {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var word = state
      word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
      word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
      return word ^ word >> 31
    }
  }
}
