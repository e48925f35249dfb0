import Foundation
import Testing

@testable import VirtualMachines

@Suite("Benchmark thresholds") struct BenchmarkThresholdsTests {
  static let thresholds = BenchmarkThresholds(["frame-pair": 100, "conflicts-heap": 0])

  @Test(
    arguments: [
      (100, .kept), (102, .kept), (102.01, .rose(from: 100)), (98, .kept),
      (97.99, .fell(from: 100)), (0, .fell(from: 100)),
    ] as [(Double, BenchmarkThresholds.Verdict)])
  func twoPercentAreTolerated(_ value: Double, _ verdict: BenchmarkThresholds.Verdict) throws {
    let result = try BenchmarkReportTests.result("frame-pair", value)
    #expect(Self.thresholds.verdict(on: result) == verdict)
  }

  @Test func fromNothingEveryRiseCounts() throws {
    #expect(
      Self.thresholds.verdict(on: try BenchmarkReportTests.result("conflicts-heap", 0)) == .kept)
    #expect(
      Self.thresholds.verdict(on: try BenchmarkReportTests.result("conflicts-heap", 1))
        == .rose(from: 0))
  }

  @Test func aFigureWithoutAThresholdIsKnownAsSuch() throws {
    #expect(
      Self.thresholds.verdict(on: try BenchmarkReportTests.result("spin-pair", 1)) == .unknown)
  }

  @Test func whatDependsOnTheHostHasNoThreshold() throws {
    let result = try BenchmarkReportTests.result("boot-main-4cpu-us", 9500)
    #expect(BenchmarkThresholds([result.name: 1]).verdict(on: result) == .kept)
    var thresholds = BenchmarkThresholds([:])
    thresholds.adopt([result])
    #expect(thresholds.values.isEmpty)
  }

  @Test func figuresAreAdoptedAndWritten() throws {
    let directory = try VirtualMachines.TemporaryDirectory()
    defer { directory.remove() }
    let path = directory.path("thresholds.json")
    var thresholds = Self.thresholds
    thresholds.adopt([try BenchmarkReportTests.result("frame-pair", 309.4)])
    try thresholds.write(to: path)
    #expect(
      try String(contentsOfFile: path, encoding: .utf8)
        == "{\n  \"conflicts-heap\" : 0,\n  \"frame-pair\" : 309.4\n}\n")
    #expect(try BenchmarkThresholds(contentsOf: path) == thresholds)
  }

  @Test func whatIsNoObjectOfNumbersIsRefused() throws {
    let directory = try VirtualMachines.TemporaryDirectory()
    defer { directory.remove() }
    let path = directory.path("thresholds.json")
    #expect(throws: BenchmarkThresholds.Unusable.self) {
      try BenchmarkThresholds(contentsOf: path)
    }
    try Data(#"{"frame-pair": "9"}"#.utf8).write(to: URL(fileURLWithPath: path))
    #expect(throws: BenchmarkThresholds.Unusable.self) {
      try BenchmarkThresholds(contentsOf: path)
    }
    #expect(throws: BenchmarkThresholds.Unusable.self) {
      try Self.thresholds.write(to: directory.path("none/thresholds.json"))
    }
  }
}
