import Foundation
import ISRCheck

extension CheckArguments {
  /// Checks an image and shows the report. Returns the status to end with: 0, or 1 for findings of
  /// error severity and for a baseline that does not agree. `program` is the command's name.
  public func check(image: String, program: String) throws(CheckFailure) -> Int32 {
    // A baseline that cannot be read shows before the work.
    let accepted: Baseline? =
      if let baseline { try Baseline(path: baseline) } else { nil }
    let checker = try Checker(path: image, options: options)
    var report = try checker.report()
    let graph = format == .dot ? try checker.graph() : nil
    if !analysis.omitsSource {
      do throws(SourceLines.Failure) {
        try analysis.sourceLines(of: image).addSourceLines(to: &report)
      } catch {
        try Console.write("\(program): note: \(error)\n", to: .error)
      }
    }
    return try show(report, accepted: accepted, graph: graph)
  }

  /// Shows a finished report and writes the files that flags name. Returns the status.
  func show(
    _ report: Report, accepted: Baseline?, graph: CallGraph?
  ) throws(CheckFailure) -> Int32 {
    var report = report
    report.assumptions += options.restrictions
    var accepted = accepted
    if let writeBaseline {
      let baseline = Baseline(accepting: report)
      try Console.write(baseline.text, toFile: writeBaseline)
      accepted = baseline
    }
    let comparison = accepted?.compared(with: report, options: options)
    if let comparison {
      report.assumptions += comparison.acceptedTexts(in: report)
    }
    let text = rendered(report, comparison, graph)
    if let output {
      try Console.write(text, toFile: output)
      if format != .text && !quiet {
        try Console.write(plainText(report, comparison), to: .output)
      }
    } else {
      try Console.write(text, to: .output)
    }
    return Verdict(report, comparison: comparison).exitStatus
  }

  private func rendered(
    _ report: Report, _ comparison: Baseline.Comparison?, _ graph: CallGraph?
  ) -> String {
    switch format {
    case .text: plainText(report, comparison)
    case .json: JSONReport().text(of: report, comparison: comparison)
    case .sarif:
      SARIFReport(imagePath: SourceRoot(analysis.sourceRoot).shortened(file: report.image))
        .text(of: report, comparison: comparison)
    case .dot: DotReport().text(of: graph ?? CallGraph(), report: report)
    }
  }

  private func plainText(_ report: Report, _ comparison: Baseline.Comparison?) -> String {
    var text = TextReport()
    text.isQuiet = quiet
    text.isVerbose = verbose
    text.hasColours = (output == nil || format != .text) && Console.hasColours
    return text.text(of: report, comparison: comparison)
  }
}
