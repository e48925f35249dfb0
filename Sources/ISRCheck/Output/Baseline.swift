import Foundation

/// Findings that have been accepted, so that only new ones fail. The file is JSON:
/// `{"version": 1, "findings": [{"fingerprint": ..., "occurrence": ..., ...}]}`.
public struct Baseline: Equatable, Codable, Sendable {
  /// The version of the file's format.
  public var version: Int
  public var findings: [Entry]

  /// An accepted finding.
  public struct Entry: Equatable, Codable, Sendable {
    public var fingerprint: String
    public var occurrence: Int
    public var rule: Rule
    public var root: String?
    /// The finding in words, for whoever reads the file; nothing depends on it.
    public var text: String

    var identity: FindingIdentity { .init(fingerprint: fingerprint, occurrence: occurrence) }
  }

  static let version = 1

  /// Accepts what a report has found. Notes never fail, so they need no acceptance.
  public init(accepting report: Report) {
    version = Self.version
    let identified = zip(report.findings, report.identities).filter { $0.0.severity > .note }
    findings = identified.map { finding, identity in
      Entry(
        fingerprint: identity.fingerprint, occurrence: identity.occurrence, rule: finding.rule,
        root: finding.root, text: finding.sentence)
    }
    findings.sort {
      ($0.rule.rawValue, $0.text, $0.fingerprint, $0.occurrence)
        < ($1.rule.rawValue, $1.text, $1.fingerprint, $1.occurrence)
    }
  }

  /// Reads a baseline from a file.
  public init(path: String) throws(CheckFailure) {
    let data: Data
    do { data = try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
      throw .unreadable(
        "cannot read the baseline \(path); make it with --write-baseline \(path)")
    }
    let baseline = try? JSONDecoder().decode(Self.self, from: data)
    guard let baseline, baseline.version == Self.version else {
      throw .notAnalysable(
        "\(path) is no baseline of this version; make it anew with --write-baseline \(path)")
    }
    self = baseline
  }

  /// The file's contents: the same for the same findings.
  public var text: String { JSONText.of(self) + "\n" }

  /// What a report has that the baseline does not have, and the other way round. Entries of rules
  /// that are ignored, and, if only some roots were checked, of other roots are left alone.
  public func compared(with report: Report, options: CheckOptions) -> Comparison {
    let identities = report.identities
    let accepted = Set(findings.map(\.identity))
    let found = Set(identities)
    let roots = Set(report.roots.map(\.name))
    return Comparison(
      isAccepted: identities.map(accepted.contains),
      isNew: zip(report.findings, identities).map {
        $0.severity > .note && !accepted.contains($1)
      },
      stale: findings.filter { entry in
        guard !found.contains(entry.identity), options.severity(of: entry.rule) != .ignored else {
          return false
        }
        return options.roots.isEmpty || entry.root.map(roots.contains) ?? false
      })
  }

  /// A report held against a baseline.
  public struct Comparison: Equatable, Sendable {
    /// For each finding of the report, whether the baseline has it.
    public var isAccepted: [Bool]
    /// For each finding, whether it fails because the baseline does not have it.
    public var isNew: [Bool]
    /// What the baseline has and the report does not.
    public var stale: [Entry]

    /// The errors and warnings that were accepted, as lines of what was assumed.
    public func acceptedTexts(in report: Report) -> [String] {
      zip(report.findings, isAccepted).compactMap { finding, isAccepted in
        guard isAccepted, finding.severity > .note else { return nil }
        return "accepted by the baseline: \(finding.sentence) [\(finding.rule.rawValue)]"
      }
    }
  }
}
