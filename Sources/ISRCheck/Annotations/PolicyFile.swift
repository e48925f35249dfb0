import Glibc

/// Annotations beside an image, for a kernel that one cannot change.
///
/// A line holds one declaration: `WORD GLOB [name=value ...] ["text"]`, and `#` begins a comment.
/// `Documentation/InterruptAnnotations.md` lists the words. Globs match a symbol as it stands in
/// the file or, if it is Swift's, its readable name.
public struct PolicyFile: Equatable, Sendable {
  /// The path as it was given, for messages.
  public let path: String
  public let declarations: [Declaration]

  /// A line of the file.
  public struct Declaration: Equatable, Sendable {
    /// The line's number, from 1.
    public let line: Int
    /// What it is about: functions, or tables of vectors.
    public let glob: Glob
    public let kind: Annotation.Kind
  }

  /// Reads a file.
  public init(path: String) throws(PolicyFileError) {
    guard let bytes = Self.bytes(ofFile: path) else {
      throw PolicyFileError(
        path: path, line: nil, problem: .unreadable(String(cString: strerror(errno))))
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw PolicyFileError(path: path, line: nil, problem: .notText)
    }
    try self.init(text: text, path: path)
  }

  /// Reads a text.
  ///
  /// - Parameter path: stands in messages.
  public init(text: String, path: String) throws(PolicyFileError) {
    self.path = path
    var declarations: [Declaration] = []
    var line = 0
    for bytes in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      line += 1
      do throws(PolicyFileError.Problem) {
        guard let read = try PolicyLine(bytes) else { continue }
        declarations.append(Declaration(line: line, glob: read.glob, kind: read.kind))
      } catch {
        throw PolicyFileError(path: path, line: line, problem: error)
      }
    }
    self.declarations = declarations
  }

  /// The number of a set or a stack that a policy calls by a name: the 64-bit FNV-1a hash of the
  /// name's UTF-8 (Fowler, Noll and Vo) with bit 63 set and bit 62 clear. Numbers in an image's
  /// table are small or addresses, and neither x86-64 nor AArch64 has such addresses.
  public static func identifier(named name: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    return hash & ~(1 << 62) | 1 << 63
  }

  /// The bytes of a file, or `nil` with the reason in `errno`.
  private static func bytes(ofFile path: String) -> [UInt8]? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&buffer, 1, buffer.count, file)
      bytes.append(contentsOf: buffer[..<count])
      if count < buffer.count { return ferror(file) == 0 ? bytes : nil }
    }
  }
}
