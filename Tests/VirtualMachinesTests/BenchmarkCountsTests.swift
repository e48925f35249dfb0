import Testing

@testable import VirtualMachines

@Suite("Benchmark counts") struct BenchmarkCountsTests {
  /// Marks of two CPUs: (mark, CPU, instructions of the two).
  static func counts(_ events: [(Int, Int, [UInt64])], dropped: UInt64 = 0) -> InstructionCounts {
    InstructionCounts(
      cpus: 2,
      events: events.map { .init(mark: $0.0, cpu: $0.1, instructions: $0.2) }, dropped: dropped,
      total: [100_000, 100_000])
  }

  /// Five runs on CPU 0 that take these numbers of instructions.
  static func runs(_ lengths: [UInt64]) -> [(Int, Int, [UInt64])] {
    var now: UInt64 = 1000
    return lengths.flatMap { length in
      defer { now += length + 10 }
      return [(10, 0, [now, 5]), (8, 0, [now + 3, 5]), (9, 0, [now + 3 + length, 5])]
    }
  }

  @Test func theLoopIsSubtractedAndWhatComesOnceDropsOut() throws {
    // 20 at each run, 3 for each of 10 or 20 empty rounds, 21 more for three operations.
    let counts = Self.counts(Self.runs([290, 260, 500, 50, 80]))
    let result = try BenchmarkCounts(output: "instructions 10 3\n", counts: counts)
    #expect(result.runs == [290, 260, 500, 50, 80])
    #expect(result.perOperation == 7)
  }

  @Test func otherCPUsCountBetweenTheirOwnMarksOnly() throws {
    var events = Self.runs([100, 100, 200, 10, 20])
    // In the first run CPU 1 works for 40 while CPU 0 waits.
    events.insert((8, 1, [1050, 700]), at: 2)
    events.insert((9, 1, [1060, 740]), at: 3)
    let result = try BenchmarkCounts(output: "instructions 1 1", counts: Self.counts(events))
    #expect(result.runs == [140, 100, 200, 10, 20])
    #expect(result.perOperation == 90)
  }

  @Test(arguments: ["", "instructions 10", "instructions 0 1", "instructions x 1", "hello 1 1"])
  func otherOutputIsRefused(_ output: String) {
    #expect(throws: BenchmarkCounts.Failure.output(output)) {
      try BenchmarkCounts(output: output, counts: Self.counts(Self.runs([1, 1, 1, 1, 1])))
    }
  }

  @Test(arguments: [
    // Too few runs, a start before all runs, two starts, a stop without a start, an open run.
    runs([1, 1, 1, 1]), [(8, 0, [1, 1])], [(10, 0, [1, 1]), (8, 0, [2, 1]), (8, 0, [3, 1])],
    [(10, 0, [1, 1]), (9, 0, [2, 1])], runs([1, 1, 1, 1, 1]) + [(8, 1, [9000, 9])],
    runs([1, 1, 1, 1]) + [(8, 1, [9000, 9]), (10, 0, [9000, 9])],
  ])
  func marksInAnotherOrderAreRefused(_ events: [(Int, Int, [UInt64])]) {
    #expect {
      try BenchmarkCounts(output: "instructions 1 1", counts: Self.counts(events))
    } throws: { error in
      guard case .some(.marks) = error as? BenchmarkCounts.Failure else { return false }
      return true
    }
  }

  @Test func marksMustNotBeDropped() {
    #expect(throws: BenchmarkCounts.Failure.marks("3 of them were dropped")) {
      try BenchmarkCounts(
        output: "instructions 1 1", counts: Self.counts(Self.runs([1, 1, 1, 1, 1]), dropped: 3))
    }
  }
}
