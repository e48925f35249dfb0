/// Something in an image that breaks a rule.
public struct Finding: Equatable, Codable, Sendable {
  public var rule: Rule
  public var severity: Severity
  /// What is wrong, in one line without the place: `writes SSE (movsd xmm0, [rdi])`.
  public var message: String
  /// The name of the root from which it is reached, or `nil` where the rule is not about one.
  public var root: String?
  /// Where it is.
  public var place: Place
  /// The calls from the root to the function of `place`, outermost first; empty if the root itself
  /// is the function.
  public var chain: [Call]
  /// More to know, a line each, such as the targets that an indirect call may have.
  public var notes: [String]

  public init(
    rule: Rule, severity: Severity, message: String, root: String?, place: Place,
    chain: [Call] = [], notes: [String] = []
  ) {
    self.rule = rule
    self.severity = severity
    self.message = message
    self.root = root
    self.place = place
    self.chain = chain
    self.notes = notes
  }

  /// What stays the same when the image is linked anew: rule, root, function and message, but no
  /// address (hexadecimal numbers in names and in the message are left out). Findings that agree in
  /// it are told apart by their number, in order.
  public var fingerprint: String {
    let parts = [root ?? "", place.symbol ?? "", message].map {
      $0.replacing(/0x[0-9A-Fa-f]+/, with: "0x")
    }
    return ([rule.rawValue] + parts).joined(separator: "|")
  }
}

/// A place in code.
public struct Place: Equatable, Codable, Sendable {
  public var address: UInt64
  /// The symbol of the function as it stands in the file, or `nil` for code without one.
  public var symbol: String?
  /// The function's readable name: demangled and short, or `0x1234` for code without a symbol.
  public var function: String
  /// Bytes from the function's start.
  public var offset: UInt64
  /// The source line, when the image tells.
  public var source: SourceLine?

  public init(
    address: UInt64, symbol: String?, function: String, offset: UInt64, source: SourceLine? = nil
  ) {
    self.address = address
    self.symbol = symbol
    self.function = function
    self.offset = offset
    self.source = source
  }
}

/// A line of a source file.
public struct SourceLine: Equatable, Codable, Sendable {
  public var file: String
  public var line: Int
  public var column: Int?

  public init(file: String, line: Int, column: Int? = nil) {
    self.file = file
    self.line = line
    self.column = column
  }
}

/// A step of the chain from a root to a finding.
public struct Call: Equatable, Codable, Sendable {
  /// Where the call is.
  public var place: Place
  /// The readable name of the function that is called.
  public var callee: String
  /// How it is known that it is called.
  public var step: ResolutionStep

  public init(place: Place, callee: String, step: ResolutionStep) {
    self.place = place
    self.callee = callee
    self.step = step
  }
}

/// How the target of a call is known, surest first: the ladder for indirect calls.
public enum ResolutionStep: String, CaseIterable, Codable, Sendable {
  case direct
  /// A jump in place of a call at a function's end.
  case tail
  /// The only values that the register or read-only memory can have.
  case constant
  /// The value that writable memory starts with; it may be overwritten.
  case initialValue = "initial-value"
  /// Handed to a function that is declared to register handlers.
  case registration
  /// Functions with the type hash that the call checks (KCFI).
  case typeHash = "type-hash"
  /// Declared in the table or a policy.
  case declared
  /// Any function whose address is taken: a bound only.
  case addressTaken = "address-taken"
  case unresolved
}
