import Foundation
import Testing

@testable import ISRCheck

@Suite struct SARIFReportTests {
  static let report = SampleReport.report

  static func comparison() -> Baseline.Comparison {
    var old = report
    old.findings = [SampleReport.denied, SampleReport.extendedWrite(root: "gone")]
    return Baseline(accepting: old).compared(with: report, options: CheckOptions())
  }

  @Test func golden() throws {
    try GoldenFile("report.sarif").expect(
      SARIFReport().text(of: Self.report, comparison: Self.comparison()))
  }

  @Test func isValid() {
    #expect(SARIFValidator.errors(in: SARIFReport().text(of: Self.report)) == [])
    #expect(
      SARIFValidator.errors(
        in: SARIFReport(imagePath: "/images/a b:ä.elf")
          .text(of: Self.report, comparison: Self.comparison())) == [])
    var empty = Self.report
    empty.findings = []
    #expect(SARIFValidator.errors(in: SARIFReport().text(of: empty)) == [])
  }

  /// The validator sees what is broken on purpose.
  @Test(arguments: [
    (#""ruleIndex" : 0"#, #""ruleIndex" : 1"#), (#""index" : 1"#, #""index" : 99"#),
    (#""startLine" : 41"#, #""startLine" : 0"#), (#""level" : "error""#, #""level" : "bad""#),
    (#""uriBaseId" : "SRCROOT""#, #""uriBaseId" : "OTHER""#),
    (#""version" : "2.1.0""#, "\"version\" : 2"),
    (#""text" : "writes"#, #""markdown" : "writes"#), ("C%20Machine", "C Machine"),
    ("\"ruleId\"", "\"rule\""), ("threadFlows", "flows"),
  ])
  func theValidatorFinds(_ part: String, _ broken: String) {
    let text = SARIFReport().text(of: Self.report)
    #expect(text.contains(part))
    #expect(!SARIFValidator.errors(in: text.replacing(part, with: broken)).isEmpty)
  }

  @Test func fingerprintsHoldNoAddress() throws {
    var moved = Self.report
    for index in moved.findings.indices {
      moved.findings[index].place.address += 0x1000
      moved.findings[index].message.replace("[rsp+0x10]", with: "[rsp+0x18]")
    }
    #expect(moved.identities == Self.report.identities)
    var other = Self.report
    other.findings[0].message += "!"
    #expect(other.identities != Self.report.identities)
  }
}
