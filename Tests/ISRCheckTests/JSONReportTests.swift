import Foundation
import Testing

@testable import ISRCheck

@Suite struct JSONReportTests {
  @Test func golden() throws {
    try GoldenFile("report.json").expect(JSONReport().text(of: SampleReport.report))
  }

  @Test func isAReportWithMore() throws {
    let text = JSONReport().text(of: SampleReport.report)
    #expect(try JSONDecoder().decode(Report.self, from: Data(text.utf8)) == SampleReport.report)
  }

  @Test func addressesKeepAllDigits() throws {
    let text = JSONReport().text(of: SampleReport.report)
    #expect(text.contains(#""address" : "0xffffffff80100000""#))
    let wrong = text.replacing("0xffffffff80100000", with: "80100000")
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(Report.self, from: Data(wrong.utf8))
    }
  }

  @Test func againstABaseline() throws {
    var old = SampleReport.report
    old.findings = [SampleReport.denied, SampleReport.extendedWrite(root: "gone")]
    let comparison = Baseline(accepting: old)
      .compared(with: SampleReport.report, options: CheckOptions())
    let text = JSONReport().text(of: SampleReport.report, comparison: comparison)
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    let states = (object["findings"] as? [[String: Any]])?.map { $0["baselineState"] as? String }
    #expect(states == ["new", "new", "accepted", "new", "new", "new"])
    #expect((object["stale"] as? [Any])?.count == 1)
    #expect(object["isClean"] as? Bool == false)
    #expect(object["version"] as? Int == 1)
  }
}
