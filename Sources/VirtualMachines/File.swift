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

  /// The bytes of a regular file: a pipe would be waited for, and a device may have no end.
  ///
  /// - Parameter beginning: nothing more is read of a file that does not begin with this.
  static func read(
    _ path: String, ifBeginningWith beginning: [UInt8] = []
  ) throws(Failure) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure() }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Failure() }
    guard status.st_mode & S_IFMT == S_IFREG else { throw Failure("it is no regular file") }
    var first = [UInt8](repeating: 0, count: beginning.count)
    let count = pread(descriptor, &first, first.count, 0)
    guard count == first.count, first == beginning else {
      return Array(first.prefix(max(count, 0)))
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(status.st_size))
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let size = Glibc.read(descriptor, &buffer, buffer.count)
      if size < 0 {
        if errno == EINTR { continue }
        throw Failure()
      }
      if size == 0 { return bytes }
      bytes.append(contentsOf: buffer[..<size])
    }
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
