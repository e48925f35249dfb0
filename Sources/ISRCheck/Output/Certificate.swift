/// What a proof stands for: the image, what was checked, and what was taken for granted.
struct Certificate {
  var report: Report
  var verdict: Verdict

  /// The lines that the text report ends with.
  var lines: [String] {
    var lines: [String] = []
    if !report.assumptions.isEmpty {
      lines.append("assumed, not proved:")
      lines += report.assumptions.map { "  \($0.printable)" }
    }
    lines.append(report.mode.prove ? "certificate:" : "checked:")
    lines += rows.map { name, text in
      "  \(name)\(String(repeating: " ", count: max(0, 13 - name.count)))\(text.printable)"
    }
    return lines
  }

  /// Names and values.
  private var rows: [(String, String)] {
    let statistics = report.statistics
    var rows = [
      ("image", "\(report.image) (\(report.architecture))"),
      ("build id", report.buildID ?? "none"),
      ("SHA-256", report.digest),
    ]
    rows += report.roots.map { ("root", Self.text(of: $0)) }
    rows += [
      (
        "code",
        "\(statistics.functionCount.counted("function")), "
          + "\(statistics.instructionCount.counted("instruction")), "
          + statistics.directCallCount.counted("direct call")
      ),
      ("indirect", indirectCalls),
      ("assumptions", assumptions),
    ]
    if report.mode.prove { rows.append(("verdict", verdictText)) }
    return rows
  }

  /// A root and its stack: `apus_trap, level 1: 12 functions, stack 512 bytes`.
  private static func text(of root: Report.Root) -> String {
    var text = root.name
    if let vector = root.vector { text += ", vector \(vector)" }
    text += ", level \(root.level): \(root.functionCount.counted("function")), stack "
    text += root.stack.map { $0.counted("byte") } ?? "without a bound"
    if let nested = root.nestedStack { text += ", nested \(nested.counted("byte"))" }
    text += root.stackSize.map { " of \($0.grouped)" } ?? ", no size declared"
    return text
  }

  /// How many indirect calls each step of the ladder has resolved, surest first.
  private var indirectCalls: String {
    let counts = report.statistics.indirectCounts.filter { $0.value != 0 }
    let known = ResolutionStep.allCases.map(\.rawValue).filter { counts[$0] != nil }
    let others = Set(counts.keys).subtracting(known).sorted()
    let texts = (known + others).compactMap { step in counts[step].map { "\($0.grouped) \(step)" } }
    return texts.isEmpty ? "none" : texts.joined(separator: ", ")
  }

  /// The number of assumptions and the hash by which two proofs are compared.
  private var assumptions: String {
    guard !report.assumptions.isEmpty else { return "none" }
    return "\(report.assumptions.count.grouped), SHA-256 \(report.assumptionsDigest)"
  }

  private var verdictText: String {
    guard verdict.isClean else { return "not proved" }
    let exceptions = verdict.exceptionCount
    let text = exceptions == 0 ? "proved" : "proved but for \(exceptions.counted("finding"))"
    return text + (report.assumptions.isEmpty ? "" : ", given the assumptions")
  }
}

extension Report {
  /// The SHA-256 of all assumptions, whatever their order.
  var assumptionsDigest: String {
    SHA256.hexadecimal(of: assumptions.sorted().joined(separator: "\n"))
  }
}
