/// The options and the text of a line of a policy file. Each is taken once by who knows it;
/// `finish` complains about what is left.
struct PolicyOptions {
  typealias Problem = PolicyFileError.Problem

  private let word: String
  private var given: [(name: String, value: String?)] = []
  private var givenText: String?
  private var known: [String] = []

  /// Reads the rest of a line.
  init(word: String, _ scanner: inout PolicyScanner) throws(Problem) {
    self.word = word
    while let token = try scanner.next() {
      guard givenText == nil else { throw .textNotLast }
      if token.isQuoted {
        givenText = token.text
      } else {
        guard !given.contains(where: { $0.name == token.name }) else {
          throw .repeatedOption(token.name)
        }
        given.append((token.name, token.value))
      }
    }
  }

  /// Complains about what nobody has taken.
  func finish() throws(Problem) {
    if let option = given.first {
      throw .unknownOption(
        option.name, word: word, nearest: Spelling.nearest(to: option.name, in: known),
        known: known)
    }
    if givenText != nil { throw .unwantedText(word: word) }
  }

  mutating func text() -> String? {
    defer { givenText = nil }
    return givenText
  }

  /// Whether a word stands there.
  mutating func flag(_ name: String) throws(Problem) -> Bool {
    guard let option = take(name) else { return false }
    guard option.value == nil else { throw .unwantedValue(option: name) }
    return true
  }

  /// What the one of these words that stands there means.
  mutating func choice<Value>(_ choices: [(String, Value)]) throws(Problem) -> Value? {
    var chosen: (name: String, value: Value)?
    for (name, value) in choices where try flag(name) {
      if let chosen { throw .conflict(chosen.name, name) }
      chosen = (name, value)
    }
    return chosen?.value
  }

  mutating func value(_ name: String) throws(Problem) -> String? {
    guard let option = take(name) else { return nil }
    guard let value = option.value, !value.isEmpty else { throw .missingValue(option: name) }
    return value
  }

  mutating func number<Number: FixedWidthInteger & UnsignedInteger>(
    _ name: String, in range: ClosedRange<Number> = 0...(.max)
  ) throws(Problem) -> Number? {
    guard let text = try value(name) else { return nil }
    guard let number: Number = Self.number(text), range.contains(number) else {
      throw .badNumber(
        text, option: name, minimum: UInt64(range.lowerBound), maximum: UInt64(range.upperBound))
    }
    return number
  }

  /// A number of bytes; `K` after it stands for 1024.
  mutating func size(_ name: String, minimum: UInt32) throws(Problem) -> UInt32? {
    guard let text = try value(name) else { return nil }
    let isKibibytes = text.hasSuffix("K")
    if let number: UInt32 = Self.number(isKibibytes ? String(text.dropLast()) : text) {
      let size = number.multipliedReportingOverflow(by: isKibibytes ? 1024 : 1)
      if !size.overflow, size.partialValue >= minimum { return size.partialValue }
    }
    throw .badNumber(
      text, option: name, minimum: UInt64(minimum), maximum: UInt64(UInt32.max))
  }

  /// A set or a stack: a name, or a number as the image's table has it.
  mutating func identifier(_ name: String) throws(Problem) -> UInt64? {
    guard let text = try value(name) else { return nil }
    guard text.utf8.first.map({ (0x30...0x39).contains($0) }) == true else {
      return PolicyFile.identifier(named: text)
    }
    guard let number: UInt64 = Self.number(text), number != 0 else {
      throw .badNumber(text, option: name, minimum: 1, maximum: .max)
    }
    return number
  }

  mutating func oneOf<Value>(
    _ name: String, _ choices: [(String, Value)]
  ) throws(Problem) -> Value? {
    guard let text = try value(name) else { return nil }
    return try named(text, name, choices)
  }

  /// What the name stands for, as a value of the option.
  func named<Value>(
    _ text: String, _ option: String, _ choices: [(String, Value)]
  ) throws(Problem) -> Value {
    guard let choice = choices.first(where: { $0.0 == text }) else {
      let names = choices.map(\.0)
      throw .unknownValue(
        text, option: option, nearest: Spelling.nearest(to: text, in: names), known: names)
    }
    return choice.1
  }

  /// The value, or the complaint that an option is missing. An option that is there, but unknown,
  /// comes first: it may be the missing one, misspelt.
  func need<Value>(_ value: Value?, _ example: String) throws(Problem) -> Value {
    guard let value else {
      if let option = given.first(where: { !known.contains($0.name) }),
        let nearest = Spelling.nearest(to: option.name, in: known)
      {
        throw .unknownOption(option.name, word: word, nearest: nearest, known: known)
      }
      throw .missingOption(word: word, example: example)
    }
    return value
  }

  private mutating func take(_ name: String) -> (name: String, value: String?)? {
    known.append(name)
    guard let index = given.firstIndex(where: { $0.name == name }) else { return nil }
    return given.remove(at: index)
  }

  private static func number<Number: FixedWidthInteger>(_ text: String) -> Number? {
    guard let first = text.utf8.first, (0x30...0x39).contains(first) else { return nil }
    guard text.hasPrefix("0x") else { return Number(text, radix: 10) }
    let digits = text.dropFirst(2)
    return digits.hasPrefix("+") || digits.hasPrefix("-") ? nil : Number(digits, radix: 16)
  }
}
