/// What a report comes to.
public struct Verdict: Equatable, Sendable {
  public var errorCount = 0
  public var warningCount = 0
  public var noteCount = 0
  /// Findings that the baseline has, of warning severity or above.
  public var acceptedCount = 0
  /// Findings that fail because the baseline does not have them.
  public var newCount = 0
  /// Findings that would make a proof fail, had not the baseline accepted them or a flag made them
  /// less than errors. A frame without a bound is none where no size of the stack is declared.
  public var exceptionCount = 0
  /// Entries of the baseline that fail because there is no such finding any more.
  public var staleCount = 0

  /// Counts what is shown: a finding at the same place from several roots is one.
  public init(_ report: Report, comparison: Baseline.Comparison? = nil) {
    for group in FindingGroup.groups(of: report, comparison: comparison) {
      switch group.finding.severity {
      case .error: errorCount += 1
      case .warning: warningCount += 1
      case .note: noteCount += 1
      case .ignored: break
      }
      if group.isNew { newCount += 1 }
    }
    exceptionCount = report.findings.indices.count { index in
      let finding = report.findings[index]
      let isAccepted = comparison?.isAccepted[index] ?? false
      guard finding.rule.provingSeverity == .error else { return false }
      return isAccepted || (finding.severity < .error && finding.rule != .unboundedFrame)
    }
    guard let comparison else { return }
    staleCount = comparison.stale.count
    acceptedCount = zip(report.findings, comparison.isAccepted).count {
      $0.severity > .note && $1
    }
  }

  /// Whether nothing fails.
  public var isClean: Bool { errorCount == 0 && newCount == 0 && staleCount == 0 }

  /// With what the command ends: 0, or 1 if something fails.
  public var exitStatus: Int32 { isClean ? 0 : 1 }
}
