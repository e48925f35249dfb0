import Apus
import CProbe
import GuestTesting

/// Interrupts between CPUs, and what they leave alone.
enum InterruptTests {
  /// Uses many vector registers.
  @inline(never)
  static func spoil(_ seed: Double) {
    var values = SIMD8<Double>(repeating: seed)
    for step in 1..<8 { values = values * Double(step) + SIMD8(repeating: 0.5) }
    spoiled.store(UInt64(values.sum().magnitude), ordering: .relaxed)
  }

  static let spoiled = Atomic<UInt64>(0)

  static var suite: TestSuite {
    TestSuite(
      name: "Interrupts",
      [
        Test("a call reaches exactly the CPUs of the set") { t in
          for mask in 1..<(UInt64(1) << UInt64(Swift.min(CPU.count, 4))) {
            var set = CPUSet()
            for index in 0..<CPU.count where mask & 1 << UInt64(index) != 0 {
              set.insert(CPU(index: index))
            }
            let reached = Atomic<UInt64>(0)
            set.interrupt { cpu in
              _ = reached.wrappingAdd(1 << UInt64(cpu.index), ordering: .relaxed)
            }
            t.expect(reached.load(ordering: .relaxed), equals: mask, "CPUs reached")
          }
        },
        Test("all CPUs call all others at once", minimumCPUs: 2) { t in
          let rounds = 200
          let count = Atomic<Int>(0)
          CPUSet.online.run { _ in
            for _ in 0..<rounds {
              CPUSet.online.interrupt { _ in _ = count.wrappingAdd(1, ordering: .relaxed) }
            }
          }
          t.expect(
            count.load(ordering: .relaxed), equals: rounds * CPU.count * CPU.count, "calls made")
        },
        Test("CPUs with interrupts off can call each other", minimumCPUs: 2) { t in
          let count = Atomic<Int>(0)
          CPUSet.online.run { _ in
            probe_disable_interrupts()
            for _ in 0..<50 {
              CPUSet.online.interrupt { _ in _ = count.wrappingAdd(1, ordering: .relaxed) }
            }
            probe_enable_interrupts()
          }
          t.expect(count.load(ordering: .relaxed), equals: 50 * CPU.count * CPU.count)
        },
        Test("vector registers survive interrupts", minimumCPUs: 2) { t in
          let running = Atomic<Int>(CPU.count - 1)
          CPUSet.online.run { cpu in
            if cpu.index == 0 {
              while running.load(ordering: .acquiring) > 0 {
                CPUSet.online.interrupt { cpu in spoil(Double(cpu.index)) }
              }
            } else {
              for round in 0..<20 {
                let seed = UInt64(cpu.index) << 32 | UInt64(round) &* 0x9E37_79B9
                t.expect(probe_vectors_survive(seed, 2000) == 1, "on CPU \(cpu.index)")
              }
              _ = running.wrappingAdd(-1, ordering: .releasing)
            }
          }
        },
        Test("work after work, 500 times") { t in
          let count = Atomic<Int>(0)
          for _ in 0..<500 {
            CPUSet.online.run { _ in _ = count.wrappingAdd(1, ordering: .relaxed) }
          }
          t.expect(count.load(ordering: .relaxed), equals: 500 * CPU.count)
        },
        Test("work with interrupts off is refused", dies: "invalid opcode") {
          probe_disable_interrupts()
          CPUSet.online.run { _ in }
        },
        Test("work may hand out work", minimumCPUs: 2) { t in
          let count = Atomic<Int>(0)
          CPUSet.online.run { _ in
            for _ in 0..<20 {
              CPUSet.online.run { _ in _ = count.wrappingAdd(1, ordering: .relaxed) }
            }
          }
          t.expect(count.load(ordering: .relaxed), equals: 20 * CPU.count * CPU.count)
        },
      ])
  }
}
