extension Rule {
  /// The rule on one line of a list of all.
  public var listing: String {
    let gap = String(repeating: " ", count: max(1, 26 - slug.count))
    return "\(rawValue)  \(slug)\(gap)\(defaultSeverity.rawValue.padded(to: 9))\(summary)"
  }

  /// All that there is to say about the rule, in lines of at most 80 columns.
  public var page: String {
    var severity = "Severity: \(defaultSeverity.rawValue)"
    if provingSeverity != defaultSeverity {
      severity += "; under --prove: \(provingSeverity.rawValue)"
    }
    return """
      \(rawValue) \(slug): \(summary)
      \(severity)

      \(explanation.wrapped(to: 80))

      """
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }

  /// The words of the text in lines.
  fileprivate func wrapped(to width: Int) -> String {
    var lines: [String] = []
    var line = ""
    for word in split(separator: " ") {
      if line.isEmpty {
        line = String(word)
      } else if line.count + 1 + word.count <= width {
        line += " \(word)"
      } else {
        lines.append(line)
        line = String(word)
      }
    }
    return (lines + [line]).joined(separator: "\n")
  }
}
