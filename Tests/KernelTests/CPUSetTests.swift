import Machine
import TestSupport
import Testing

@testable import PerCPU

private func set(_ indices: Int...) -> CPUSet {
  indices.reduce(into: CPUSet()) { $0.insert(CPU(index: $1)) }
}

@Suite struct CPUSetTests {
  @Test func cpusComeLowestFirst() {
    #expect(set(63, 5, 0, 17).map(\.index) == [0, 5, 17, 63])
    #expect(set().map(\.index) == [])
    #expect(CPUSet(CPU(index: 63)).map(\.index) == [63])
    #expect(CPUSet(bits: .max).map(\.index) == Array(0..<CPU.maximumCount))
  }

  /// All operations against `Set`.
  @Test func setAlgebra() {
    var random = SplitMix64(seed: 3)
    for _ in 0..<200 {
      let (a, b) = (CPUSet(bits: random.next()), CPUSet(bits: random.next() & random.next()))
      let (left, right) = (Set(a), Set(b))
      #expect(Set(a.union(b)) == left.union(right))
      #expect(Set(a.intersection(b)) == left.intersection(right))
      #expect(a.count == left.count)
      #expect(a.highestIndex == left.map(\.index).max())
      let cpu = CPU(index: .random(in: 0..<64, using: &random))
      #expect(a.contains(cpu) == left.contains(cpu))
      #expect(Set(a.subtracting(cpu)) == left.subtracting([cpu]))
      var removed = a
      removed.remove(cpu)
      #expect(removed == a.subtracting(cpu))
      removed.insert(cpu)
      #expect(Set(removed) == left.union([cpu]))
    }
  }

  @Test func emptiness() {
    #expect(CPUSet().isEmpty)
    #expect(CPUSet().count == 0)
    #expect(!set(63).isEmpty)
    #expect(set(1).intersection(set(2)).isEmpty)
  }
}

extension SimulatedMachine {
  @Suite struct OnlineCPUTests {
    /// All CPUs were marked at the same time, see `SimulatedMachine`.
    @Test func allCPUsComeOnline() {
      #expect(SimulatedMachine.shared.onlineBefore == CPUSet(CPU(index: 0)))
      #expect(SimulatedMachine.shared.onlineAfter.map(\.index) == Array(0..<cpuCount))
      #expect(CPU.count == cpuCount)
    }

    @Test func aThreadPlaysItsCPU() {
      let matches = Atomic<Int>(0)
      onSimulatedCPUs(cpuCount) { index in
        if CPU.current == CPU(index: index) { matches.wrappingAdd(1, ordering: .relaxed) }
      }
      #expect(matches.load(ordering: .relaxed) == cpuCount)
    }
  }
}
