import Glibc
import VirtualMachines

/// What the command tells its user, beside the application's output.
enum StandardError {
  /// Whether colours can be shown and are wanted (no-color.org).
  static let hasColours =
    isatty(STDERR_FILENO) == 1 && getenv("NO_COLOR") == nil && getenv("TERM") != nil

  /// Opens those of the descriptors 0, 1 and 2 that the command was started without, so that no
  /// other file gets their numbers and what is meant for the user.
  static func requireStandardDescriptors() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest free number is taken, and all below are open.
      _ = open("/dev/null", O_RDWR)
    }
  }

  /// Writes an error of one line.
  static func complain(_ message: String) {
    write("\(coloured("apus:", .red)) \(message)\n")
  }

  /// Writes something good to know.
  static func note(_ message: String) {
    write("\(coloured("apus:", .bold)) \(message)\n")
  }

  /// Writes a text as it is.
  static func write(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let size = rest.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
      if size < 0 && errno != EINTR { return }
      rest = rest.dropFirst(max(size, 0))
    }
  }

  /// The sequences of ECMA-48 that a terminal shows as colours.
  enum Colour: String {
    case red = "\u{1b}[31m"
    case yellow = "\u{1b}[33m"
    case dim = "\u{1b}[2m"
    case bold = "\u{1b}[1m"
  }

  /// The text in a colour, if there are any.
  static func coloured(_ text: String, _ colour: Colour?) -> String {
    guard hasColours, let colour else { return text }
    return "\(colour.rawValue)\(text)\u{1b}[0m"
  }

  /// A line of the kernel's log, coloured by its level.
  static func logLine(_ line: String) -> String {
    // [    0.001234] cpu0 info: text
    guard hasColours, line.first == "[" else { return line }
    let level = line.split(separator: ":", maxSplits: 1).first?.split(separator: " ").last
    switch level {
    case "error": return coloured(line, .red)
    case "warning": return coloured(line, .yellow)
    case "debug": return coloured(line, .dim)
    default: return line
    }
  }
}
