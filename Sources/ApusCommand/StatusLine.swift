import Glibc

/// A line at the bottom of a terminal that says what goes on, and goes away again.
final class StatusLine {
  private let isShown: Bool
  private var isEmpty = true

  /// A status line, which is not shown where standard error is no terminal.
  init(isShown: Bool) {
    self.isShown = isShown && isatty(STDERR_FILENO) == 1
  }

  /// Shows a text in place of the former one, cut to the terminal's width.
  func show(_ text: String) {
    guard isShown else { return }
    let line = text.prefix { $0 != "\n" }.prefix(Self.width - 1)
    StandardError.write("\r\u{1b}[K\(line)")
    isEmpty = false
  }

  /// Takes the line away.
  func clear() {
    guard isShown, !isEmpty else { return }
    StandardError.write("\r\u{1b}[K")
    isEmpty = true
  }

  private static var width: Int {
    var size = winsize()
    let known = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 1
    return known ? Int(size.ws_col) : 80
  }
}
