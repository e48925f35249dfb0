import Testing

@testable import VirtualMachines

@Suite("Linux twin") struct LinuxTwinTests {
  private let benchmarks = [Benchmark("first", linux: 1), Benchmark("second", linux: 1)]

  private func counts(_ lengths: [UInt64]) -> InstructionCounts {
    BenchmarkCountsTests.counts(BenchmarkCountsTests.runs(lengths))
  }

  @Test func theRunsOfOneBenchmarkFollowThoseOfTheOther() throws {
    let figures = try LinuxTwin.figures(
      of: benchmarks, output: "instructions 10 1\ninstructions 1 2\n",
      counts: counts([500, 100, 200, 10, 20, 9, 7, 47, 1, 21]))
    #expect(figures == [9, 10])
  }

  @Test func ofTimesTheShortestOfEachRunCounts() throws {
    let figures = try LinuxTwin.figures(
      of: [benchmarks[0]], repetitions: 2, output: "instructions 10 1\ninstructions 10 1\n",
      counts: counts([500, 100, 240, 10, 20, 500, 100, 220, 10, 60]))
    // (220 - 20) nanoseconds in the 20 rounds of the long runs.
    #expect(figures == [10])
  }

  @Test(arguments: ["instructions 10 1\n", "first: failed: there is no such benchmark\n", ""])
  func aProgramThatStopsIsQuoted(_ output: String) {
    #expect {
      try LinuxTwin.figures(
        of: benchmarks, output: output, counts: counts([500, 100, 200, 10, 20]))
    } throws: { error in
      "\(error)".contains("to measure 2 benchmarks; there are 5 runs, and it printed:\n\(output)")
    }
  }
}
