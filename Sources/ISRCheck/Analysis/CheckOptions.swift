/// How an image is to be checked.
public struct CheckOptions: Sendable {
  /// Whether nothing may stay unproved, and whether all that is reached must be annotated.
  public var prove = false
  public var strict = false
  /// Whether unresolved indirect calls go to each function whose address is taken.
  public var bound = false
  /// The names of the roots to check; all if empty.
  public var roots: [String] = []
  /// The paths of policy files.
  public var policies: [String] = []
  /// Severities that differ from those of the rules.
  public var severities: [Rule: Severity] = [:]
  /// The path of a file with addresses that ran inside interrupts.
  public var trace: String?
  /// Whether warnings become errors.
  public var werror = false

  public init() {}
}

/// Why an image cannot be checked, in one line each.
public enum CheckFailure: Error, Equatable, CustomStringConvertible {
  /// A file cannot be read.
  case unreadable(String)
  /// The file is not one that can be analysed, or the flags do not fit it.
  case notAnalysable(String)

  public var description: String {
    switch self {
    case .unreadable(let text), .notAnalysable(let text): text
    }
  }
}
