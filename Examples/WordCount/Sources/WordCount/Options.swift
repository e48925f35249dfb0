/// What the arguments ask for.
struct Options {
  /// How many words to print.
  var top = 10

  /// Why the arguments are not understood.
  struct UsageError: Error {
    /// One line that says what is wrong and what is right.
    let message: String
  }

  /// Reads the arguments that follow the program's name.
  init(_ arguments: some Sequence<String>) throws(UsageError) {
    var rest = arguments.makeIterator()
    while let argument = rest.next() {
      guard argument.utf8.elementsEqual("--top".utf8) else {
        throw UsageError(message: "unknown argument \(argument); usage: WordCount [--top K]")
      }
      guard let value = rest.next(), let number = Self.number(value) else {
        throw UsageError(message: "--top needs a number of words, such as --top 10")
      }
      top = number
    }
  }

  private static func number(_ text: String) -> Int? {
    guard !text.utf8.isEmpty else { return nil }
    var value = 0
    for byte in text.utf8 {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      let (product, productOverflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, sumOverflow) = product.addingReportingOverflow(Int(byte - 0x30))
      guard !productOverflow, !sumOverflow else { return nil }
      value = sum
    }
    return value
  }
}
