import Foundation
import Testing

@testable import VirtualMachines

@Suite("Scaling") struct ScalingTests {
  /// Marks of two CPUs: (mark, CPU, count of that CPU).
  private static func counts(_ events: [(Int, Int, UInt64)]) -> InstructionCounts {
    InstructionCounts(
      cpus: 2,
      events: events.map { event in
        var counts: [UInt64] = [0, 0]
        counts[event.1] = event.2
        return .init(mark: event.0, cpu: event.1, instructions: counts)
      }, dropped: 0, total: [0, 0])
  }

  /// Two operations: in one each CPU works for itself, in the other they take turns.
  private static let events: [(Int, Int, UInt64)] = [
    (10, 0, 1), (8, 0, 10), (8, 1, 12), (9, 0, 110), (9, 1, 142),
    (10, 0, 500), (8, 0, 510), (9, 0, 530), (8, 1, 600), (9, 1, 640), (8, 0, 700), (9, 0, 710),
  ]
  private static let output = "scaling frames 0 20 0 4096 4\nscaling unmap-shared 1 4 6 4096 4\n"

  @Test func eachOperationHasItsOwnMarks() throws {
    let boot = try ScalingBoot(
      output: Self.output, counts: Self.counts(Self.events), trace: nil)
    #expect(boot.parts.map(\.name) == ["frames", "unmap-shared"])
    #expect(boot.parts.map(\.instructions) == [230, 70])
    // From the first start to the last stop, but the sum where CPUs take turns.
    #expect(boot.parts.map(\.time) == [132, 70])
    #expect(boot.parts.map(\.interrupts) == [0, 6])
  }

  @Test(arguments: [
    "", "scaling frames 0 20 0 4096 4\n", "frames 0 20 0\n",
    "scaling frames 0 0 0 4096 4\nscaling wake 1 4 6 4096 4\n",
  ])
  func otherOutputIsRefused(_ output: String) {
    #expect(throws: BenchmarkCounts.Failure.self) {
      try ScalingBoot(output: output, counts: Self.counts(Self.events), trace: nil)
    }
  }

  @Test func marksInAnotherOrderAreRefused() {
    for missing in [1, 3, 4, 11] {
      var events = Self.events
      events.remove(at: missing)
      #expect(throws: BenchmarkCounts.Failure.self) {
        try ScalingBoot(output: Self.output, counts: Self.counts(events), trace: nil)
      }
    }
  }

  private static let report: ScalingReport = {
    var report = ScalingReport(facts: BenchmarkReportTests.facts, hostCPUs: 2)
    for (tables, cpus, count) in [("shared", 1, 66.05), ("shared", 16, 1234.56), ("per-cpu", 1, 7)]
    {
      report.operations.append(
        .init(
          name: "fault", pageTables: tables, cpus: cpus, instructions: count, conflicts: 0.5,
          lineCount: 3, lines: [], interrupts: 0))
    }
    report.times = [.init(name: "fault", cpus: 2, nanoseconds: 100.26)]
    report.growth = [
      .init(name: "areas-fault", quantity: "areas", size: 10, instructions: 851),
      .init(name: "areas-fault", quantity: "areas", size: 100_000, instructions: 852),
    ]
    return report
  }()

  @Test func tablesHaveARowForEachOperation() {
    #expect(
      Self.report.text == """
        instructions of an operation, CPUs:      1     16
        fault                                66.05  1,235
        fault-per-cpu                            7      -

        conflicts of an operation, CPUs:    1   16
        fault                             0.5  0.5
        fault-per-cpu                     0.5    -

        interrupts of an operation, CPUs:  1  16
        fault                              0   0
        fault-per-cpu                      0   -

        nanoseconds, CPUs:    2
        fault               100

        instructions, areas:   10  100,000
        areas-fault           851      852

        """)
  }

  @Test func jsonCanBeReadAgain() throws {
    let json = try Self.report.json()
    #expect(try JSONDecoder().decode(ScalingReport.self, from: Data(json.utf8)) == Self.report)
  }

  @Test func namesAreUnique() {
    #expect(Set(ScalingCatalog.names).count == ScalingCatalog.names.count)
  }
}
