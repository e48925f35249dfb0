import Foundation
import Glibc
import ISRCheck

/// Where a check writes to.
public enum Console {
  /// A standard stream.
  public enum Stream: Int32, Sendable {
    case output = 1
    case error = 2
  }

  /// Whether standard output shows colours and they are wanted (no-color.org).
  public static var hasColours: Bool {
    let environment = ProcessInfo.processInfo.environment
    return isatty(STDOUT_FILENO) == 1 && (environment["NO_COLOR"] ?? "").isEmpty
      && !["", "dumb"].contains(environment["TERM"] ?? "")
  }

  /// Writes a text as it is.
  public static func write(_ text: String, to stream: Stream) throws(CheckFailure) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let size = rest.withUnsafeBytes { Glibc.write(stream.rawValue, $0.baseAddress, $0.count) }
      if size < 0 && errno != EINTR {
        throw .notAnalysable("cannot write the report: \(String(cString: strerror(errno)))")
      }
      rest = rest.dropFirst(max(size, 0))
    }
  }

  /// Writes a file, all of it or nothing.
  public static func write(_ text: String, toFile path: String) throws(CheckFailure) {
    do {
      // Devices such as /dev/stdout cannot be replaced by a file.
      let isDevice = path.hasPrefix("/dev/")
      try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: isDevice ? [] : .atomic)
    } catch {
      throw .notAnalysable("cannot write \(path); does its directory exist, and may you write?")
    }
  }
}
