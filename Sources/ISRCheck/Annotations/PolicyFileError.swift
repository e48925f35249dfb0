/// Why a policy file cannot be used.
public struct PolicyFileError: Error, Equatable, Sendable, CustomStringConvertible {
  public var path: String
  /// The line, from 1, or `nil` when it is about the whole file.
  public var line: Int?
  public var problem: Problem

  public init(path: String, line: Int?, problem: Problem) {
    self.path = path
    self.line = line
    self.problem = problem
  }

  /// What is wrong. `nearest` is the word that may have been meant, and `known` are all that could
  /// stand there.
  public enum Problem: Error, Equatable, Sendable {
    /// The system's words why the file cannot be read.
    case unreadable(String)
    /// The file is not UTF-8.
    case notText
    case unknownWord(String, nearest: String?)
    case missingGlob(word: String)
    case badGlob(String, Glob.PatternError)
    case unknownOption(String, word: String, nearest: String?, known: [String])
    case repeatedOption(String)
    case missingOption(word: String, example: String)
    /// The option has no value, but needs one.
    case missingValue(option: String)
    /// The option has a value, but is only a word.
    case unwantedValue(option: String)
    /// The value is no number from `minimum` to `maximum`.
    case badNumber(String, option: String, minimum: UInt64, maximum: UInt64)
    case unknownValue(String, option: String, nearest: String?, known: [String])
    /// Two options that exclude each other.
    case conflict(String, String)
    case missingText(word: String)
    case unwantedText(word: String)
    /// A text without its closing `"`, or with something directly behind it.
    case badText
    /// Something stands behind the text.
    case textNotLast
  }

  public var description: String {
    if let line { return "\(path):\(line): \(problem.explanation)" }
    return "\(path): \(problem.explanation)"
  }
}

extension PolicyFileError.Problem {
  fileprivate var explanation: String {
    switch self {
    case .unreadable(let why): return "cannot be read (\(why)): give the path of a policy file"
    case .notText: return "is no UTF-8 text: save it as such"
    case .unknownWord(let word, let nearest):
      return "unknown word \"\(word)\"" + Self.advice(nearest, PolicyLine.words)
    case .missingGlob(let word):
      return "\"\(word)\" is about no function: write a name or a glob after it"
    case .badGlob(let pattern, let error):
      return "\"\(pattern)\" is no glob: \(error.explanation)"
    case .unknownOption(let option, let word, let nearest, let known):
      if known.isEmpty { return "\"\(word)\" takes no options: remove \"\(option)\"" }
      return "\"\(word)\" has no option \"\(option)\"" + Self.advice(nearest, known)
    case .repeatedOption(let option): return "\"\(option)\" stands twice: remove one"
    case .missingOption(let word, let example):
      return "\"\(word)\" needs more: add \(example)"
    case .missingValue(let option):
      return "\"\(option)\" needs a value: write \(option)=VALUE"
    case .unwantedValue(let option):
      return "\"\(option)\" takes no value: write only \(option)"
    case .badNumber(let text, let option, let minimum, let maximum):
      return "\"\(text)\" is no number for \"\(option)\": write \(minimum) to \(maximum)"
        + ", decimal or as 0x"
    case .unknownValue(let value, let option, let nearest, let known):
      return "unknown value \"\(value)\" of \"\(option)\"" + Self.advice(nearest, known)
    case .conflict(let first, let second):
      return "\"\(first)\" and \"\(second)\" exclude each other: remove one"
    case .missingText(let word):
      return "\"\(word)\" needs a reason: write it in quotation marks at the end"
    case .unwantedText(let word):
      return "\"\(word)\" takes no text: remove it, or write it as a comment after #"
    case .badText:
      return "a text is not closed: end it by a quotation mark and a space"
    case .textNotLast: return "something stands after the text: the text comes last"
    }
  }

  private static func advice(_ nearest: String?, _ known: [String]) -> String {
    if let nearest { return ": did you mean \"\(nearest)\"?" }
    return ": use \(known.count > 1 ? "one of " : "")\(known.joined(separator: ", "))"
  }
}

extension Glob.PatternError {
  fileprivate var explanation: String {
    switch self {
    case .openSet: "close the [ by a ], or write \\["
    case .emptyRange: "a range goes from a lower to a higher character"
    case .setNotASCII: "only ASCII characters can stand between [ and ]"
    case .openEscape: "write a character after the \\"
    case .empty: "it is empty, write at least *"
    }
  }
}
