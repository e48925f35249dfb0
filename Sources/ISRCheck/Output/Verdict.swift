/// What a report comes to.
public struct Verdict: Equatable, Sendable {
  public var errorCount = 0
  public var warningCount = 0
  public var noteCount = 0
  /// Findings that the baseline has, of warning severity or above.
  public var acceptedCount = 0
  /// Findings that fail because the baseline does not have them.
  public var newCount = 0
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
