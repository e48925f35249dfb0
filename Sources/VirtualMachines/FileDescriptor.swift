import CHost
import Glibc

/// An open file descriptor; its user closes it.
struct FileDescriptor {
  let number: Int32

  init(number: Int32) { self.number = number }

  /// Takes the result of a call that opens something.
  init(_ result: Int32, opening name: String) throws(ChildProcess.Failure) {
    guard result >= 0 else {
      throw ChildProcess.Failure(
        description: "cannot open \(name): \(String(cString: strerror(errno)))")
    }
    number = result
  }

  /// The two ends of a new pipe.
  static func pipe() throws(ChildProcess.Failure) -> (
    reading: FileDescriptor, writing: FileDescriptor
  ) {
    var ends: [Int32] = [-1, -1]
    guard chost_pipe(&ends) == 0 else {
      throw ChildProcess.Failure(
        description: "cannot open a pipe: \(String(cString: strerror(errno)))")
    }
    return (FileDescriptor(number: ends[0]), FileDescriptor(number: ends[1]))
  }

  /// The two ends of a new connection.
  static func socketPair() throws(ChildProcess.Failure) -> (FileDescriptor, FileDescriptor) {
    var ends: [Int32] = [-1, -1]
    let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue
    guard socketpair(AF_UNIX, Int32(kind), 0, &ends) == 0 else {
      throw ChildProcess.Failure(
        description: "cannot open a socket: \(String(cString: strerror(errno)))")
    }
    return (FileDescriptor(number: ends[0]), FileDescriptor(number: ends[1]))
  }

  /// Sends bytes through a socket without waiting.
  ///
  /// - Returns: whether all of them were taken.
  func send(_ bytes: [UInt8]) -> Bool {
    Glibc.send(number, bytes, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
      == bytes.count
  }

  func close() { _ = Glibc.close(number) }

  /// Whether bytes can be read without waiting.
  var hasBytes: Bool {
    var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) == 1 && entry.revents & Int16(POLLIN) != 0
  }

  /// Reads once and hands over the bytes.
  ///
  /// - Returns: `false` at the end of the file.
  func read(into buffer: inout [UInt8], _ body: (UnsafeRawBufferPointer) -> Void) -> Bool {
    buffer.withUnsafeMutableBytes { buffer in
      let size = Glibc.read(number, buffer.baseAddress, buffer.count)
      if size < 0 { return errno == EINTR || errno == EAGAIN }
      if size > 0 { body(UnsafeRawBufferPointer(rebasing: buffer[..<size])) }
      return size > 0
    }
  }
}

/// Calls `body` with the strings as C has them: pointers, with a null pointer at the end.
func withCStrings<Result>(
  _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
  let copies = strings.map { strdup($0) }
  defer { for copy in copies { free(copy) } }
  return body(copies + [nil])
}
