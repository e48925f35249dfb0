import Foundation

/// A new directory for files that live as long as one run; its user removes it.
public struct TemporaryDirectory: Sendable {
  /// Where it is.
  public let base: String

  /// Makes one in the directory that the environment's TMPDIR names, or in /tmp.
  public init() throws(ChildProcess.Failure) {
    let parent = FileManager.default.temporaryDirectory.path
    var template = Array("\(parent)/apus-XXXXXX".utf8CString)
    let made = mkdtemp(&template) != nil
    guard made else {
      throw ChildProcess.Failure(
        description: "cannot make a directory in \(parent): \(String(cString: strerror(errno)))")
    }
    base = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// The path of a file in it.
  public func path(_ name: String) -> String { "\(base)/\(name)" }

  /// Removes it with all it holds.
  public func remove() { try? FileManager.default.removeItem(atPath: base) }
}
