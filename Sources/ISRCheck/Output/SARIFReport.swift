/// A report as SARIF 2.1.0, which code-scanning services read.
public struct SARIFReport: Sendable {
  /// The image's path as other machines shall know it; that of the report if `nil`.
  public var imagePath: String?

  public init(imagePath: String? = nil) { self.imagePath = imagePath }

  /// The report's text, with a line end as its last character. Paths of sources that are relative
  /// are relative to `SRCROOT`.
  public func text(of report: Report, comparison: Baseline.Comparison? = nil) -> String {
    var artifacts = Artifacts()
    // The image comes first, so that it is listed also when nothing was found.
    let image = artifacts.location(of: imagePath ?? report.image)
    var results: [SARIFLog.Result] = []
    for (index, (finding, identity)) in zip(report.findings, report.identities).enumerated()
    where finding.severity != .ignored {
      results.append(
        SARIFLog.Result(
          ruleId: finding.rule.rawValue, ruleIndex: Self.index(of: finding.rule),
          level: finding.severity.rawValue, message: .init(text: Self.message(of: finding)),
          locations: [Self.location(of: finding.place, image: image, &artifacts)],
          codeFlows: Self.codeFlows(of: finding, image: image, &artifacts),
          partialFingerprints: Self.fingerprints(of: identity),
          baselineState: comparison.map { $0.isAccepted[index] ? "unchanged" : "new" }))
    }
    results += (comparison?.stale ?? []).map { entry in
      SARIFLog.Result(
        ruleId: entry.rule.rawValue, ruleIndex: Self.index(of: entry.rule),
        level: entry.rule.defaultSeverity.rawValue, message: .init(text: entry.text),
        // Nobody knows where it was, but some services demand a place.
        locations: [.init(physicalLocation: .init(artifactLocation: image))], codeFlows: nil,
        partialFingerprints: Self.fingerprints(of: entry.identity), baselineState: "absent")
    }
    let run = SARIFLog.Run(
      tool: .init(
        driver: .init(
          name: "isrcheck", semanticVersion: ISRCheckVersion.current, rules: Self.rules)),
      originalUriBaseIds: [
        Artifacts.base: .init(description: .init(text: "The root of the sources."))
      ],
      artifacts: artifacts.all, results: results)
    return JSONText.of(SARIFLog(runs: [run])) + "\n"
  }

  /// All rules, in the order of `ruleIndex`.
  private static var rules: [SARIFLog.ReportingDescriptor] {
    Rule.allCases.map { rule in
      SARIFLog.ReportingDescriptor(
        id: rule.rawValue, name: rule.slug, shortDescription: .init(text: rule.summary + "."),
        fullDescription: .init(text: rule.explanation), help: .init(text: rule.explanation),
        defaultConfiguration: .init(level: rule.defaultSeverity.rawValue))
    }
  }

  private static func index(of rule: Rule) -> Int {
    Rule.allCases.firstIndex(of: rule) ?? -1
  }

  /// What is wrong and where, since services show the message alone.
  private static func message(of finding: Finding) -> String {
    ([finding.sentence] + finding.notes).joined(separator: "\n")
  }

  private static func fingerprints(of identity: FindingIdentity) -> [String: String] {
    ["isrcheckFinding/v1": "\(identity.fingerprint):\(identity.occurrence)"]
  }

  private static func location(
    of place: Place, image: SARIFLog.ArtifactLocation, _ artifacts: inout Artifacts,
    message: String? = nil
  ) -> SARIFLog.Location {
    var location = SARIFLog.Location(
      physicalLocation: .init(artifactLocation: image),
      logicalLocations: [.init(name: place.function, decoratedName: place.symbol)],
      message: message.map { .init(text: $0) })
    if let source = place.source, source.line > 0 {
      location.physicalLocation.artifactLocation = artifacts.location(of: source.file)
      location.physicalLocation.region = .init(
        startLine: source.line, startColumn: source.column.flatMap { $0 > 0 ? $0 : nil })
    } else if place.address < 1 << 53 {
      // Readers of JSON lose the digits of larger numbers.
      location.physicalLocation.address = .init(absoluteAddress: place.address)
    }
    return location
  }

  /// The chain of calls from the root to the finding, or `nil` if there is none.
  private static func codeFlows(
    of finding: Finding, image: SARIFLog.ArtifactLocation, _ artifacts: inout Artifacts
  ) -> [SARIFLog.CodeFlow]? {
    guard !finding.chain.isEmpty else { return nil }
    var locations: [SARIFLog.ThreadFlowLocation] = []
    for (level, call) in finding.chain.enumerated() {
      let message = "\(call.place.function) calls \(call.callee)\(call.step.explanation)"
      locations.append(
        .init(
          location: location(of: call.place, image: image, &artifacts, message: message),
          nestingLevel: level))
    }
    locations.append(
      .init(
        location: location(of: finding.place, image: image, &artifacts, message: finding.message),
        nestingLevel: finding.chain.count))
    return [.init(threadFlows: [.init(locations: locations)])]
  }

  /// The files that a log names, each once.
  private struct Artifacts {
    static let base = "SRCROOT"
    private var known: [String: SARIFLog.ArtifactLocation] = [:]
    private(set) var all: [SARIFLog.Artifact] = []

    mutating func location(of path: String) -> SARIFLog.ArtifactLocation {
      if let location = known[path] { return location }
      let isAbsolute = path.hasPrefix("/")
      var location = SARIFLog.ArtifactLocation(
        uri: (isAbsolute ? "file://" : "") + path.percentEncodedPath,
        uriBaseId: isAbsolute ? nil : Self.base)
      all.append(.init(location: location))
      location.index = all.count - 1
      known[path] = location
      return location
    }
  }
}

extension String {
  /// The path as a part of a URI (RFC 3986, 3.3). A colon could be taken for the end of a scheme.
  fileprivate var percentEncodedPath: String {
    utf8.map { byte in
      let character = Character(Unicode.Scalar(byte))
      let isPlain = character.isASCII && (character.isLetter || character.isNumber)
      if isPlain || "/-._~+@,=".contains(character) { return String(character) }
      let digits = String(byte, radix: 16, uppercase: true)
      return "%" + (digits.count < 2 ? "0" : "") + digits
    }.joined()
  }
}
