import Glibc

/// Whole files, and what a path stands for.
enum File {
  /// Why a file cannot be read or written, in the system's words.
  struct Failure: Error, CustomStringConvertible {
    let description: String

    /// The system's words for the last error.
    init() { description = String(cString: strerror(errno)) }

    init(_ description: String) { self.description = description }
  }

  /// The size of a file in bytes, or `nil` when there is none.
  static func size(_ path: String) -> UInt64? {
    var status = stat()
    return stat(path, &status) == 0 ? UInt64(status.st_size) : nil
  }

  /// The path of a program: the name's own if it has a `/`, otherwise that on the PATH.
  static func program(_ name: String) -> String? {
    if name.contains("/") { return isProgram(name) ? name : nil }
    guard let path = getenv("PATH") else { return nil }
    return String(cString: path).split(separator: ":").lazy.map { "\($0)/\(name)" }
      .first(where: isProgram)
  }

  private static func isProgram(_ path: String) -> Bool {
    var status = stat()
    return access(path, X_OK) == 0 && stat(path, &status) == 0
      && status.st_mode & S_IFMT == S_IFREG
  }
}
