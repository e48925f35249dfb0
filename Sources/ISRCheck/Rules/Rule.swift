/// A property that is checked, with the id by which flags, baselines and SARIF know it.
public enum Rule: String, CaseIterable, Codable, Sendable, Comparable {
  case extendedWrite = "ISR001"
  case extendedRead = "ISR002"
  case deniedCall = "ISR003"
  case unresolvedIndirect = "ISR004"
  case recursion = "ISR005"
  case stackOverflow = "ISR006"
  case unboundedFrame = "ISR007"
  case interruptState = "ISR008"
  case lockInversion = "ISR009"
  case undecodable = "ISR010"
  case undeclaredVector = "ISR011"
  case notAnnotated = "ISR012"
  case tracedOutside = "ISR013"

  public static func < (a: Rule, b: Rule) -> Bool { a.rawValue < b.rawValue }
}

/// How much a finding matters.
public enum Severity: String, CaseIterable, Codable, Sendable, Comparable {
  case ignored, note, warning, error

  private var rank: Int {
    switch self {
    case .ignored: 0
    case .note: 1
    case .warning: 2
    case .error: 3
    }
  }

  public static func < (a: Severity, b: Severity) -> Bool { a.rank < b.rank }
}
