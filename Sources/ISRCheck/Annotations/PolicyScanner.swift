/// Cuts a line of a policy file into words, options and texts.
struct PolicyScanner {
  private var rest: ArraySlice<UInt8>

  init(_ line: Substring.UTF8View) { rest = Array(line)[...] }

  /// A piece of a line.
  struct Token {
    /// All of it, without the quotation marks.
    var text: String
    /// For `name=value`, its two halves; otherwise `name` is all of it.
    var name: String
    var value: String?
    /// It began with a quotation mark.
    var isQuoted: Bool
  }

  /// The next piece, or `nil` at the end of the line or before a comment.
  ///
  /// - Parameter unescaping: `\"` and `\\` in quotation marks become `"` and `\`. A glob keeps its
  ///   backslashes and is not cut at a `=`.
  mutating func next(unescaping: Bool = true) throws(PolicyFileError.Problem) -> Token? {
    rest = rest.drop(while: Self.isSpace)
    guard let first = rest.first, first != UInt8(ascii: "#") else { return nil }
    if first == UInt8(ascii: "\"") {
      let text = try quoted(unescaping)
      return Token(text: text, name: text, value: nil, isQuoted: true)
    }
    let word = rest.prefix { !Self.isSpace($0) }
    if unescaping, let equals = word.firstIndex(of: UInt8(ascii: "=")) {
      let name = String(decoding: word[..<equals], as: UTF8.self)
      rest = rest[(equals + 1)...]
      let value: String
      if rest.first == UInt8(ascii: "\"") {
        value = try quoted(true)
      } else {
        value = String(decoding: word[(equals + 1)...], as: UTF8.self)
        rest = rest[word.endIndex...]
      }
      return Token(text: "\(name)=\(value)", name: name, value: value, isQuoted: false)
    }
    rest = rest[word.endIndex...]
    let text = String(decoding: word, as: UTF8.self)
    return Token(text: text, name: text, value: nil, isQuoted: false)
  }

  /// Reads a text that begins with a quotation mark.
  private mutating func quoted(_ unescaping: Bool) throws(PolicyFileError.Problem) -> String {
    rest.removeFirst()
    var text: [UInt8] = []
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "\""):
        if let next = rest.first, !Self.isSpace(next) { throw .badText }
        return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"):
        let next = rest.first
        if let next, next == UInt8(ascii: "\"") || next == byte {
          rest.removeFirst()
          if !unescaping { text.append(byte) }
          text.append(next)
        } else {
          text.append(byte)
        }
      default: text.append(byte)
      }
    }
    throw .badText
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
  }
}
