/// A report for programs: the fields of `Report` with a `version`, and for each finding what a
/// baseline knows it by. Keys are in order, addresses are hexadecimal texts.
public struct JSONReport: Sendable {
  /// The version of the format: higher when a field changes its meaning or goes away.
  public static let version = 1

  public init() {}

  /// The report as JSON, with a line end as its last character.
  public func text(of report: Report, comparison: Baseline.Comparison? = nil) -> String {
    let findings = zip(report.findings, report.identities).enumerated().map { index, pair in
      IdentifiedFinding(
        finding: pair.0, identity: pair.1,
        baselineState: comparison.map { $0.isAccepted[index] ? "accepted" : "new" })
    }
    let verdict = Verdict(report, comparison: comparison)
    let document = Document(
      report: report, findings: findings, stale: comparison?.stale, isClean: verdict.isClean)
    return JSONText.of(document) + "\n"
  }

  /// The whole file.
  private struct Document: Encodable {
    var report: Report
    var findings: [IdentifiedFinding]
    var stale: [Baseline.Entry]?
    var isClean: Bool

    enum CodingKeys: String, CodingKey {
      case version, image, buildID, digest, architecture, mode, roots, statistics, assumptions
      case assumptionsDigest, findings, stale, isClean
    }

    func encode(to encoder: any Encoder) throws {
      var values = encoder.container(keyedBy: CodingKeys.self)
      try values.encode(JSONReport.version, forKey: .version)
      try values.encode(report.image, forKey: .image)
      try values.encodeIfPresent(report.buildID, forKey: .buildID)
      try values.encode(report.digest, forKey: .digest)
      try values.encode(report.architecture, forKey: .architecture)
      try values.encode(report.mode, forKey: .mode)
      try values.encode(report.roots, forKey: .roots)
      try values.encode(report.statistics, forKey: .statistics)
      try values.encode(report.assumptions, forKey: .assumptions)
      try values.encode(report.assumptionsDigest, forKey: .assumptionsDigest)
      try values.encode(findings, forKey: .findings)
      try values.encodeIfPresent(stale, forKey: .stale)
      try values.encode(isClean, forKey: .isClean)
    }
  }

  /// A finding with more fields beside its own.
  private struct IdentifiedFinding: Encodable {
    var finding: Finding
    var identity: FindingIdentity
    var baselineState: String?

    enum CodingKeys: String, CodingKey {
      case fingerprint, occurrence, slug, baselineState
    }

    func encode(to encoder: any Encoder) throws {
      try finding.encode(to: encoder)
      var values = encoder.container(keyedBy: CodingKeys.self)
      try values.encode(identity.fingerprint, forKey: .fingerprint)
      try values.encode(identity.occurrence, forKey: .occurrence)
      try values.encode(finding.rule.slug, forKey: .slug)
      try values.encodeIfPresent(baselineState, forKey: .baselineState)
    }
  }
}
