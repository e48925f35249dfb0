import Testing

@testable import ISRCheck

@Suite struct TextReportTests {
  static let report = SampleReport.report

  @Test func plain() throws {
    try GoldenFile("plain.txt").expect(TextReport().text(of: Self.report))
  }

  @Test func verbose() throws {
    var text = TextReport()
    text.isVerbose = true
    try GoldenFile("verbose.txt").expect(text.text(of: Self.report))
  }

  @Test func colours() throws {
    var text = TextReport()
    text.hasColours = true
    try GoldenFile("colours.txt").expect(text.text(of: Self.report))
  }

  @Test func aProofThatFails() throws {
    var report = Self.report
    report.mode.prove = true
    try GoldenFile("not-proved.txt").expect(TextReport().text(of: report))
  }

  @Test func aProof() throws {
    var report = Self.report
    report.mode.prove = true
    report.findings = []
    try GoldenFile("proved.txt").expect(TextReport().text(of: report))
    report.assumptions = []
    report.buildID = nil
    try GoldenFile("proved-without-assumptions.txt").expect(TextReport().text(of: report))
  }

  @Test func aProofWithExceptions() {
    var report = Self.report
    report.mode.prove = true
    report.assumptions = []
    report.findings = [SampleReport.denied, SampleReport.unresolved, SampleReport.read]
    report.findings[1].severity = .note
    var accepted = report
    accepted.findings = [SampleReport.denied]
    let comparison = Baseline(accepting: accepted)
      .compared(with: report, options: CheckOptions())
    #expect(
      TextReport().text(of: report, comparison: comparison)
        .contains("  verdict      proved but for 2 findings\n"))
  }

  @Test func againstABaseline() throws {
    var old = Self.report
    old.findings = [SampleReport.denied, SampleReport.extendedWrite(root: "gone")]
    let comparison = Baseline(accepting: old)
      .compared(with: Self.report, options: CheckOptions())
    try GoldenFile("baseline.txt").expect(
      TextReport().text(of: Self.report, comparison: comparison))
  }

  @Test func nothingFound() {
    var report = Self.report
    report.findings = []
    let counts = "2 roots, 183 functions, 5,121 instructions checked"
    #expect(TextReport().text(of: report) == "no findings in build/kernel.elf: \(counts)\n")
    var quiet = TextReport()
    quiet.isQuiet = true
    #expect(quiet.text(of: report) == "")
  }

  @Test func manyRootsAreCutShort() {
    var report = Self.report
    report.findings = (0..<20).map { SampleReport.extendedWrite(root: "root\($0)") }
    let text = TextReport().text(of: report)
    #expect(text.contains("also reached from: root1, root2"))
    #expect(text.contains("root8 and 11 more (--verbose)\n"))
    #expect(text.contains("\n1 error in "))
    var verbose = TextReport()
    verbose.isVerbose = true
    #expect(verbose.text(of: report).contains("root18, root19\n"))
  }

  @Test func differentMessagesAtOnePlaceStayApart() {
    var report = Self.report
    var other = SampleReport.extendedWrite(root: "apus_nmi")
    other.message = "writes AVX"
    report.findings = [SampleReport.extendedWrite(root: "apus_trap"), other]
    #expect(TextReport().text(of: report).contains("\n2 errors in "))
  }

  @Test(arguments: [
    (0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (-1000, "-1,000"),
    (-100, "-100"),
  ])
  func grouping(_ number: Int, _ text: String) {
    #expect(number.grouped == text)
  }

  @Test(arguments: ResolutionStep.allCases)
  func eachStepIsToldApart(_ step: ResolutionStep) {
    #expect(ResolutionStep.allCases.filter { $0.explanation == step.explanation } == [step])
  }
}
