/// Findings that differ only in the root from which they are reached, shown as one.
struct FindingGroup: Equatable {
  /// The first of them.
  var finding: Finding
  var isNew: Bool
  /// The roots of the others, in order.
  var otherRoots: [String] = []

  /// The groups of a report without those that a baseline accepts.
  static func groups(of report: Report, comparison: Baseline.Comparison?) -> [Self] {
    var groups: [Self] = []
    var indices: [Key: Int] = [:]
    for (index, finding) in report.findings.enumerated() where finding.severity != .ignored {
      if let comparison, comparison.isAccepted[index] { continue }
      let isNew = comparison?.isNew[index] ?? false
      let key = Key(
        rule: finding.rule, severity: finding.severity, address: finding.place.address,
        message: finding.message)
      if let known = indices[key] {
        groups[known].isNew = groups[known].isNew || isNew
        if let root = finding.root, root != groups[known].finding.root,
          !groups[known].otherRoots.contains(root)
        {
          groups[known].otherRoots.append(root)
        }
      } else {
        indices[key] = groups.count
        groups.append(Self(finding: finding, isNew: isNew))
      }
    }
    return groups
  }

  private struct Key: Hashable {
    var rule: Rule
    var severity: Severity
    var address: UInt64
    var message: String
  }
}
