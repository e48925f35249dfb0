import Foundation

/// Text files that flags name.
enum TextFile {
  /// The lines of a file without their ends.
  static func lines(of path: String) throws(CheckFailure) -> [String] {
    let text: String
    do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
      throw .unreadable("cannot read \(path): it is missing, no regular file, or no UTF-8 text")
    }
    return text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }
}
