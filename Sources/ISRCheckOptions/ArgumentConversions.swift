import ArgumentParser
import ISRCheck

extension Rule: ExpressibleByArgument {
  /// The rule with an id or a slug.
  public init?(argument: String) { self.init(name: argument) }

  /// None, or the help would list all rules at each flag; `isrcheck explain` lists them.
  public static var allValueStrings: [String] { [] }
}

/// What `--format` takes.
public enum ReportFormat: String, CaseIterable, ExpressibleByArgument, Sendable {
  case text, json, sarif, dot
}
