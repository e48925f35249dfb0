extension Rule {
  /// How much a finding matters if no flag says otherwise.
  public var defaultSeverity: Severity {
    switch self {
    case .extendedRead: .note
    case .extendedWrite, .deniedCall, .stackOverflow, .lockInversion, .undeclaredVector,
      .tracedOutside:
      .error
    case .unresolvedIndirect, .recursion, .unboundedFrame, .interruptState, .undecodable,
      .notAnnotated:
      .warning
    }
  }

  /// The same under `--prove`, where all is an error that leaves a hole in the proof. The engine
  /// reports `unboundedFrame` as an error only for roots whose stack has a declared size.
  public var provingSeverity: Severity {
    switch self {
    case .extendedRead, .notAnnotated: defaultSeverity
    case .extendedWrite, .deniedCall, .unresolvedIndirect, .recursion, .stackOverflow,
      .unboundedFrame, .interruptState, .lockInversion, .undecodable, .undeclaredVector,
      .tracedOutside:
      .error
    }
  }
}

extension CheckOptions {
  /// How much a finding of a rule matters under these options: what is said about the rule itself
  /// comes before what is said about all warnings.
  public func severity(of rule: Rule) -> Severity {
    if let chosen = severities[rule] { return chosen }
    let usual = prove ? rule.provingSeverity : rule.defaultSeverity
    return werror && usual == .warning ? .error : usual
  }

  /// What a proof does not cover because of flags, a line each: belongs to what was assumed.
  public var restrictions: [String] {
    var lines = Rule.allCases.filter { prove && $0.provingSeverity > severity(of: $0) }.map {
      "rule \($0.rawValue) (\($0.slug)) is \(severity(of: $0).predicate) by a flag"
    }
    if !roots.isEmpty {
      lines.append("only these roots were checked: \(roots.joined(separator: ", "))")
    }
    return lines
  }
}

extension Severity {
  /// What a rule of this severity is.
  fileprivate var predicate: String {
    switch self {
    case .ignored: "ignored"
    case .note: "only a note"
    case .warning: "only a warning"
    case .error: "an error"
    }
  }
}
