import Machine
import PerCPU
import Testing

@Suite struct CPULocalTests {
  private struct Odd {
    var words = InlineArray<17, UInt64>(repeating: 1)
  }

  @Test func valuesAreWholePairsOfLinesApart() {
    #expect(CPULocal<UInt8>.stride == 128)
    #expect(CPULocal<InlineArray<16, UInt64>>.stride == 128)
    #expect(CPULocal<Odd>.stride == 256)
    #expect(CPULocal<Odd>.byteCount(for: 3) == 768)
  }

  @Test func eachCPUHasItsOwnValue() {
    let count = 4
    let values = CPULocal<Int>()
    #expect(values.isInitialized == false)
    let storage = UnsafeMutableRawPointer.allocate(
      byteCount: CPULocal<Int>.byteCount(for: count), alignment: 128)
    defer { storage.deallocate() }
    values.initialize(in: storage, count: count) { $0.index * 100 }
    #expect(values.isInitialized == true)
    onSimulatedCPUs(count) { index in
      for _ in 0..<500 { values.withCurrent { $0 += 1 } }
      Processor.withPreemptionDisabled {
        // A constant of its own: ThreadSanitizer takes the whole expression for a write to `values`.
        let own = values.current
        for _ in 0..<500 { own.pointee += 1 }
      }
    }
    for index in 0..<count {
      let pointer = values.pointer(for: CPU(index: index))
      #expect(pointer.pointee == index * 100 + 1000)
      #expect(UInt(bitPattern: pointer) % 128 == 0)
      #expect(UnsafeMutableRawPointer(pointer) == storage + index * 128)
    }
  }

  @Test func useBeforeItExistsIsFatal() async {
    await #expect(processExitsWith: .failure) {
      _ = Processor.withPreemptionDisabled { CPULocal<Int>().current }
    }
  }

  private static func values() -> CPULocal<Int> {
    let values = CPULocal<Int>()
    values.initialize(in: .allocate(byteCount: 256, alignment: 128), count: 2) { _ in 0 }
    return values
  }

  @Test func useWhereTheThreadMayMoveIsFatal() async {
    await #expect(processExitsWith: .failure) {
      _ = CPULocalTests.values().current
    }
    await #expect(processExitsWith: .success) {
      _ = Processor.withInterruptsDisabled { CPULocalTests.values().current }
    }
  }

  @Test func leavingOnAnotherCPUIsFatal() async {
    await #expect(processExitsWith: .failure) {
      CPULocalTests.values().withCurrent { _ in Processor.index = 1 }
    }
  }
}
