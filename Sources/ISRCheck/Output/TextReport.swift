/// A report for people: a line for each finding as compilers write it, its chain of calls as notes,
/// and a line that sums up.
public struct TextReport: Sendable {
  /// Whether notes are shown, and all roots and assumptions also without `--prove`.
  public var isVerbose = false
  /// Whether only findings are shown.
  public var isQuiet = false
  /// Whether the text is for a terminal that shows colours.
  public var hasColours = false

  public init() {}

  /// The report's text, empty or with a line end as its last character.
  public func text(of report: Report, comparison: Baseline.Comparison? = nil) -> String {
    var lines: [String] = []
    for group in FindingGroup.groups(of: report, comparison: comparison)
    where group.finding.severity > .note || isVerbose {
      lines += findingLines(group, in: report)
    }
    for entry in comparison?.stale ?? [] {
      let place = coloured(report.image.printable, .bold)
      lines.append(
        "\(place): \(coloured("error:", .red)) the baseline has what is no longer found: "
          + "\(entry.text.printable) [\(entry.rule.rawValue)]")
    }
    if !isQuiet {
      let verdict = Verdict(report, comparison: comparison)
      if report.mode.prove || isVerbose {
        lines += Certificate(report: report, verdict: verdict).lines
      }
      lines.append(summary(of: report, verdict, isCompared: comparison != nil))
    }
    return lines.map { $0 + "\n" }.joined()
  }

  /// A finding and its notes.
  private func findingLines(_ group: FindingGroup, in report: Report) -> [String] {
    let finding = group.finding
    let place =
      finding.place.source.map(\.position)
      ?? "\(report.image): \(finding.place.address.hexadecimal)"
    let word = coloured("\(finding.severity.rawValue):", finding.severity.colour)
    let new = group.isNew ? " (not in the baseline)" : ""
    var lines = [
      "\(coloured(place.printable, .bold)): \(word) \(finding.message.printable)"
        + " [\(finding.rule.rawValue)]\(new)"
    ]
    let address = finding.place.address.hexadecimal
    let position = finding.place.position
    var notes = ["in " + (position == address ? address : "\(position) (\(address))")]
    notes += finding.notes
    notes += finding.chain.reversed().map(\.callerNote)
    if let name = finding.root {
      notes.append(report.roots.first { $0.name == name }?.title ?? "root \(name)")
    }
    if !group.otherRoots.isEmpty {
      notes.append("also reached from: \(rootList(group.otherRoots))")
    }
    lines += notes.map { "  \(coloured("note:", .cyan)) \($0.printable)" }
    return lines
  }

  /// Names of roots, of which few are enough.
  private func rootList(_ roots: [String]) -> String {
    let limit = 8
    guard !isVerbose, roots.count > limit + 1 else { return roots.joined(separator: ", ") }
    let rest = (roots.count - limit).grouped
    return roots.prefix(limit).joined(separator: ", ") + " and \(rest) more (--verbose)"
  }

  /// `3 errors, 1 warning in kernel.elf: 2 roots, 183 functions, 5,121 instructions checked`.
  private func summary(of report: Report, _ verdict: Verdict, isCompared: Bool) -> String {
    var counts: [String] = []
    if verdict.errorCount > 0 { counts.append(verdict.errorCount.counted("error")) }
    if verdict.warningCount > 0 { counts.append(verdict.warningCount.counted("warning")) }
    if verdict.noteCount > 0 {
      counts.append(verdict.noteCount.counted("note") + (isVerbose ? "" : " (see --verbose)"))
    }
    if counts.isEmpty { counts.append("no findings") }
    let checked = [
      report.roots.count.counted("root"),
      report.statistics.functionCount.counted("function"),
      report.statistics.instructionCount.counted("instruction"),
    ]
    var text = "\(counts.joined(separator: ", ")) in \(report.image.printable): "
    text += "\(checked.joined(separator: ", ")) checked"
    if isCompared {
      text += "; baseline: \(verdict.acceptedCount.grouped) accepted, "
      text += "\(verdict.newCount.grouped) new, \(verdict.staleCount.grouped) stale"
    }
    return text
  }

  /// The sequences of ECMA-48 for colours.
  fileprivate enum Colour: String {
    case red = "\u{1b}[1;31m"
    case yellow = "\u{1b}[1;33m"
    case cyan = "\u{1b}[36m"
    case bold = "\u{1b}[1m"
  }

  private func coloured(_ text: String, _ colour: Colour) -> String {
    hasColours ? "\(colour.rawValue)\(text)\u{1b}[0m" : text
  }
}

extension Severity {
  fileprivate var colour: TextReport.Colour {
    switch self {
    case .error: .red
    case .warning: .yellow
    case .note, .ignored: .cyan
    }
  }
}

extension Call {
  /// The call seen from the function that is called.
  fileprivate var callerNote: String {
    let place = self.place.source?.position ?? self.place.address.hexadecimal
    return "\(callee) is called from \(self.place.position) (\(place))\(step.explanation)"
  }

  /// The call seen from the caller, for a chain from the root down.
  public var description: String {
    let place = self.place.source?.position ?? self.place.address.hexadecimal
    return "\(self.place.position) (\(place)) calls \(callee)\(step.explanation)".printable
  }
}
