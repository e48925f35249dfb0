/// How much was done.
struct Work {
  var bytes = 0
  var chunks = 0
  var words = 0

  static func + (left: Work, right: Work) -> Work {
    Work(
      bytes: left.bytes + right.bytes, chunks: left.chunks + right.chunks,
      words: left.words + right.words)
  }

  /// One line with the share of `total` as a bar.
  func line(for name: String, total: Work) -> String {
    let permille = total.bytes == 0 ? 0 : bytes * 1000 / total.bytes
    let filled = (permille * 20 + 500) / 1000
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 20 - filled)
    return Self.padded(name, to: 9) + " [" + bar + "] "
      + Self.padded("\(permille / 10).\(permille % 10)%", to: 6)
      + " \(bytes) bytes, \(chunks) chunks, \(words) words"
  }

  private static func padded(_ text: String, to width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.utf8.count)) + text
  }
}
