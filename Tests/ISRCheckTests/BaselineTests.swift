import Foundation
import Testing

@testable import ISRCheck

@Suite struct BaselineTests {
  static func report(_ findings: [Finding]) -> Report {
    var report = SampleReport.report
    report.findings = findings
    return report
  }

  /// The same finding at another place of the function.
  static func write(at address: UInt64) -> Finding {
    var finding = SampleReport.extendedWrite(root: "apus_trap")
    finding.place.address = address
    return finding
  }

  @Test func golden() throws {
    try GoldenFile("baseline.json").expect(Baseline(accepting: SampleReport.report).text)
  }

  @Test func whatWasWrittenAcceptsEverything() throws {
    let directory = try ScratchDirectory()
    let path = directory.path("a b.json")
    try Data(Baseline(accepting: SampleReport.report).text.utf8)
      .write(to: URL(fileURLWithPath: path))
    let comparison = try Baseline(path: path)
      .compared(with: SampleReport.report, options: CheckOptions())
    let verdict = Verdict(SampleReport.report, comparison: comparison)
    #expect(verdict.exitStatus == 0)
    #expect(verdict.acceptedCount == 5)
  }

  @Test func aNewWarningFails() {
    let baseline = Baseline(accepting: Self.report([SampleReport.denied]))
    let report = Self.report([SampleReport.denied, SampleReport.unresolved])
    let comparison = baseline.compared(with: report, options: CheckOptions())
    #expect(comparison.isNew == [false, true])
    let verdict = Verdict(report, comparison: comparison)
    #expect(verdict.errorCount == 0 && verdict.newCount == 1)
    #expect(verdict.exitStatus == 1)
  }

  @Test func aNewNoteDoesNot() {
    let report = Self.report([SampleReport.read])
    let comparison = Baseline(accepting: Self.report([]))
      .compared(with: report, options: CheckOptions())
    #expect(Verdict(report, comparison: comparison).exitStatus == 0)
  }

  @Test func aStaleEntryFails() {
    let report = Self.report([])
    let comparison = Baseline(accepting: Self.report([SampleReport.denied]))
      .compared(with: report, options: CheckOptions())
    #expect(comparison.stale.map(\.rule) == [.deniedCall])
    #expect(Verdict(report, comparison: comparison).exitStatus == 1)
  }

  @Test func duplicatesAreCounted() {
    let one = Baseline(accepting: Self.report([Self.write(at: 0x1000)]))
    let two = Self.report([Self.write(at: 0x5000), Self.write(at: 0x4000)])
    // The second one, by address, is new, in whatever order they come.
    #expect(one.compared(with: two, options: CheckOptions()).isNew == [true, false])
    let both = Baseline(accepting: two)
    #expect(both.findings.map(\.occurrence) == [1, 2])
    let comparison = both.compared(
      with: Self.report([Self.write(at: 0x9000)]), options: CheckOptions())
    #expect(comparison.isNew == [false] && comparison.stale.map(\.occurrence) == [2])
  }

  @Test func theOrderOfFindingsDoesNotShow() {
    let findings = SampleReport.report.findings
    #expect(
      Baseline(accepting: Self.report(findings)).text
        == Baseline(accepting: Self.report(findings.reversed())).text)
  }

  @Test func whatWasNotCheckedIsNotStale() {
    let baseline = Baseline(
      accepting: Self.report([SampleReport.denied, SampleReport.extendedWrite(root: "other")]))
    var options = CheckOptions()
    options.severities[.deniedCall] = .ignored
    #expect(
      baseline.compared(with: Self.report([]), options: options).stale.map(\.root) == ["other"])
    options.roots = ["apus_trap", "apus_nmi"]
    #expect(baseline.compared(with: Self.report([]), options: options).stale == [])
  }

  @Test(arguments: [
    "", "{}", "[]", #"{"version": 2, "findings": []}"#,
    #"{"version": 1, "findings": [{"fingerprint": 1}]}"#,
  ])
  func damagedFiles(_ text: String) throws {
    let directory = try ScratchDirectory()
    let path = directory.path("baseline.json")
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    #expect(throws: CheckFailure.self) { try Baseline(path: path) }
    #expect(throws: CheckFailure.self) { try Baseline(path: path + ".none") }
  }
}
