import ArgumentParser
import ISRCheck

/// The flags of a check, which `isrcheck` and `apus check` share.
public struct CheckArguments: ParsableArguments {
  @Option(help: .init("How the report is written.", valueName: "format"))
  public var format = ReportFormat.text

  @Option(
    help: .init(
      "Write the report to this file; in another format than text, show it as text as well.",
      valueName: "file"), completion: .file())
  public var output: String?

  @Option(
    help: .init(
      "Accept the findings in this file; new ones fail, and entries that are gone too.",
      valueName: "file"), completion: .file())
  public var baseline: String?

  @Option(
    help: .init("Write all findings to this file as accepted.", valueName: "file"),
    completion: .file())
  public var writeBaseline: String?

  @Option(
    name: .customLong("root"), parsing: .singleValue,
    help: .init("Check only what this root reaches; repeatable.", valueName: "name"))
  public var roots: [String] = []

  @Flag(help: "Demand that each function that is reached is declared safe for interrupts.")
  public var strict = false

  @Flag(
    help: """
      Take nothing for granted: all that leaves a hole in the proof is an error. Shows what was \
      assumed, and a certificate.
      """)
  public var prove = false

  @Flag(help: "Make errors of warnings, but not of rules that --warning names.")
  public var werror = false

  @Option(
    name: .customLong("error"), parsing: .singleValue,
    help: .init("Make findings of a rule (id or slug) errors; repeatable.", valueName: "rule"),
    completion: .list(Rule.allCases.map(\.slug)))
  public var errors: [Rule] = []

  @Option(
    name: .customLong("warning"), parsing: .singleValue,
    help: .init("Make them warnings; repeatable.", valueName: "rule"),
    completion: .list(Rule.allCases.map(\.slug)))
  public var warnings: [Rule] = []

  @Option(
    name: .customLong("note"), parsing: .singleValue,
    help: .init("Make them notes; repeatable.", valueName: "rule"),
    completion: .list(Rule.allCases.map(\.slug)))
  public var notes: [Rule] = []

  @Option(
    name: .customLong("ignore"), parsing: .singleValue,
    help: .init("Leave them out; repeatable.", valueName: "rule"),
    completion: .list(Rule.allCases.map(\.slug)))
  public var ignored: [Rule] = []

  @OptionGroup public var analysis: AnalysisArguments

  @Option(
    help: .init(
      "Addresses that ran inside interrupts, which must all be known to the analysis.",
      valueName: "file"), completion: .file())
  public var trace: String?

  @Flag(help: "Show findings only, and with --output nothing.")
  public var quiet = false

  @Flag(help: "Show notes, and what was checked.")
  public var verbose = false

  public init() {}

  public func validate() throws {
    if quiet && verbose { throw ValidationError("--quiet and --verbose exclude each other") }
    if baseline != nil && writeBaseline != nil {
      throw ValidationError("--baseline and --write-baseline exclude each other")
    }
    var seen: Set<Rule> = []
    for rule in Set(errors).sorted() + Set(warnings).sorted() + Set(notes).sorted()
      + Set(ignored).sorted() where !seen.insert(rule).inserted
    {
      throw ValidationError("two flags give \(rule.rawValue) (\(rule.slug)) a severity")
    }
  }

  /// The options of a check with these flags.
  public var options: CheckOptions {
    var options = analysis.options
    options.prove = prove
    options.strict = strict
    options.roots = roots
    options.trace = trace
    options.werror = werror
    for (rules, severity) in [
      (errors, Severity.error), (warnings, .warning), (notes, .note), (ignored, .ignored),
    ] {
      for rule in rules { options.severities[rule] = severity }
    }
    return options
  }
}
