import Foundation
import ISRCheck
import Testing

@testable import ISRCheckOptions

@Suite struct CheckArgumentsTests {
  static func show(
    _ report: Report, _ flags: [String], accepted: Baseline? = nil
  ) throws -> (status: Int32, text: String) {
    let directory = try ScratchDirectory()
    let arguments = try CheckArguments.parse(
      flags + ["--output", directory.path("report"), "--quiet"])
    let status = try arguments.show(report, accepted: accepted, graph: SampleReport.graph)
    let text = try String(contentsOfFile: directory.path("report"), encoding: .utf8)
    return (status, text)
  }

  @Test func flagsBecomeOptions() throws {
    let arguments = try CheckArguments.parse([
      "--prove", "--strict", "--bound", "--werror", "--root", "a", "--root", "b", "--policy", "p",
      "--trace", "t", "--error", "ISR002", "--warning", "denied-call", "--note", "isr005",
      "--ignore", "Undecodable", "--ignore", "ISR012",
    ])
    let options = arguments.options
    #expect(options.prove && options.strict && options.bound && options.werror)
    #expect(options.roots == ["a", "b"] && options.policies == ["p"] && options.trace == "t")
    #expect(
      options.severities == [
        .extendedRead: .error, .deniedCall: .warning, .recursion: .note, .undecodable: .ignored,
        .notAnnotated: .ignored,
      ])
  }

  @Test(arguments: [
    ["--error", "nonsense"], ["--error", "ISR001", "--note", "extended-write"],
    ["--quiet", "--verbose"], ["--baseline", "a", "--write-baseline", "b"],
    ["--format", "xml"],
  ])
  func wrongFlags(_ flags: [String]) {
    #expect(throws: (any Error).self) { try CheckArguments.parse(flags) }
  }

  @Test func statuses() throws {
    var report = SampleReport.report
    #expect(try Self.show(report, []).status == 1)
    report.findings = [SampleReport.unresolved, SampleReport.read]
    #expect(try Self.show(report, []).status == 0)
    #expect(try Self.show(report, [], accepted: Baseline(accepting: report)).status == 0)
    let old = Baseline(accepting: SampleReport.report)
    #expect(try Self.show(report, [], accepted: old).status == 1)
  }

  @Test(arguments: ReportFormat.allCases)
  func formats(_ format: ReportFormat) throws {
    let (status, text) = try Self.show(SampleReport.report, ["--format", format.rawValue])
    #expect(status == 1)
    let start =
      switch format {
      case .text: "Sources/Kernel/Timer.swift:41:9: error: writes SSE"
      case .json: "{\n  \"architecture\" :"
      case .sarif: "{\n  \"$schema\" :"
      case .dot: "digraph"
      }
    #expect(text.hasPrefix(start) && text.hasSuffix("\n"))
    if format == .sarif { #expect(SARIFValidator.errors(in: text) == []) }
  }

  @Test func whatIsAcceptedIsAssumed() throws {
    let directory = try ScratchDirectory()
    var report = SampleReport.report
    report.mode.prove = true
    let (status, text) = try Self.show(
      report,
      [
        "--prove", "--note", "recursion", "--ignore", "ISR010", "--format", "json",
        "--write-baseline",
        directory.path("accepted.json"),
      ])
    #expect(status == 0)
    #expect(text.contains("rule ISR005 (recursion) is only a note by a flag"))
    #expect(text.contains("rule ISR010 (undecodable) is ignored by a flag"))
    #expect(text.contains("accepted by the baseline: malloc: reaches malloc"))
    #expect(
      try Baseline(path: directory.path("accepted.json")) == Baseline(accepting: report))
  }

  @Test func aFileThatCannotBeWritten() throws {
    let arguments = try CheckArguments.parse(["--output", "/nonexistent/report"])
    #expect(throws: CheckFailure.self) {
      try arguments.show(SampleReport.report, accepted: nil, graph: nil)
    }
  }
}

/// The command itself, which is built beside the tests.
@Suite struct ISRCheckCommandTests {
  static func run(_ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
    let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    let process = Process()
    process.executableURL = tests.deletingLastPathComponent().appendingPathComponent("isrcheck")
    process.arguments = arguments
    let pipes = (Pipe(), Pipe())
    process.standardOutput = pipes.0
    process.standardError = pipes.1
    try process.run()
    let output = pipes.0.fileHandleForReading.readDataToEndOfFile()
    let errors = pipes.1.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (
      process.terminationStatus, String(decoding: output, as: UTF8.self),
      String(decoding: errors, as: UTF8.self)
    )
  }

  @Test(arguments: [
    [], ["--nonsense"], ["/nonexistent/image"], ["/nonexistent/image", "--prove"],
    ["check", "/nonexistent/image", "--ignore", "nonsense"], ["explain", "nonsense"],
    ["why", "/nonexistent/image"], ["why", "/nonexistent/image", "a", "b"],
    ["/nonexistent/image", "--baseline", "/nonexistent/baseline"],
  ])
  func whatCannotBeDone(_ arguments: [String]) throws {
    let (status, output, errors) = try Self.run(arguments)
    #expect(status == 2)
    #expect(output == "")
    #expect(errors.hasPrefix("isrcheck: ") && errors.split(separator: "\n").count == 1)
  }

  @Test func explain() throws {
    let all = try Self.run(["explain"])
    #expect(all.status == 0 && all.output.split(separator: "\n").count == Rule.allCases.count)
    let one = try Self.run(["explain", "Extended-Write"])
    #expect(one.status == 0 && one.output == Rule.extendedWrite.page)
  }

  @Test(arguments: [["--help"], ["check", "--help"], ["why", "--help"], ["explain", "--help"]])
  func help(_ arguments: [String]) throws {
    let (status, output, errors) = try Self.run(arguments)
    #expect(status == 0 && errors == "" && output.contains("Examples:"))
    #expect(output.split(separator: "\n").filter { $0.contains("isrcheck ") }.count > 1)
  }
}
