import Glibc

/// Where a verb's report goes, line by line: also through a pipe a reader sees every line at once.
enum StandardOutput {
  /// Whether colours can be shown and are wanted (no-color.org).
  static let hasColours =
    isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil && getenv("TERM") != nil

  /// Writes one line.
  static func write(_ line: String) {
    print(line)
    fflush(nil)
  }
}
