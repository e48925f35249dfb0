/// What the arguments ask for.
struct Options {
  /// Pixels from left to right.
  var width = 640
  /// Steps after which a point counts as one of the set.
  var limit = 500

  /// Why the arguments are not understood.
  struct UsageError: Error {
    /// One line that says what is wrong and what is right.
    let message: String
  }

  /// Reads the arguments that follow the program's name.
  init(_ arguments: some Sequence<String>) throws(UsageError) {
    var rest = arguments.makeIterator()
    while let argument = rest.next() {
      guard let number = rest.next().flatMap(Self.number), (1...8192).contains(number) else {
        throw UsageError(
          message: "usage: Mandelbrot [--width PIXELS] [--limit STEPS], from 1 to 8192")
      }
      if argument.utf8.elementsEqual("--width".utf8) {
        width = number
      } else if argument.utf8.elementsEqual("--limit".utf8) {
        limit = number
      } else {
        throw UsageError(message: "unknown argument \(argument); there are --width and --limit")
      }
    }
  }

  private static func number(_ text: String) -> Int? {
    if text.utf8.isEmpty || text.utf8.count > 9 { return nil }
    var value = 0
    for byte in text.utf8 {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      value = value * 10 + Int(byte - 0x30)
    }
    return value
  }
}
