import Testing

@testable import ISRCheck

@Suite struct DotReportTests {
  @Test func golden() throws {
    try GoldenFile("graph.dot").expect(
      DotReport().text(of: SampleReport.graph, report: SampleReport.report))
  }
}
