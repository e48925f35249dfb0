/// Why the command line cannot be used.
///
/// `write(to:)` needs no heap.
public enum KernelCommandLineError: Error, Equatable, Sendable {
  /// The command line lies where nothing may be read.
  case unreadable(address: UInt64)
  /// No NUL ends the command line within the limit, or before memory that may not be read.
  case unterminated(address: UInt64)

  /// The greatest length of a command line, in bytes: the most that any known monitor passes on.
  public static var byteLimit: UInt64 { 65536 }
}

extension KernelCommandLineError: TextOutputStreamable, CustomStringConvertible {
  /// Writes the message: one line that says what is wrong and what to do.
  public func write<Target: TextOutputStream>(to target: inout Target) {
    target.write("the command line at ")
    switch self {
    case .unreadable(let address):
      target.writeHexadecimal(address)
      target.write(" lies outside of readable memory; use another loader")
    case .unterminated(let address):
      target.writeHexadecimal(address)
      target.write(" is longer than ")
      target.writeDecimal(Self.byteLimit)
      target.write(" bytes or has no end; shorten it")
    }
  }

  /// The message as a string; takes memory from the heap.
  public var description: String {
    var text = ""
    write(to: &text)
    return text
  }
}
