import Foundation

/// A directory below which paths of sources are written relative to it, so that reports from
/// different machines agree.
public struct SourceRoot: Sendable {
  /// The directory's path as it was given and without symbolic links, each with a slash at its end.
  private let prefixes: [String]

  /// A directory; relative to the current one if the path is relative.
  public init(_ path: String) {
    let url = URL(fileURLWithPath: path)
    prefixes = [url.standardized.path, url.resolvingSymlinksInPath().path].map {
      $0.hasSuffix("/") ? $0 : $0 + "/"
    }
  }

  /// The path without `.` and `..`, and relative if it is below the directory.
  public func shortened(_ path: String) -> String {
    guard path.hasPrefix("/") else { return path }
    var components: [Substring] = []
    for component in path.split(separator: "/") where component != "." {
      if component == ".." {
        _ = components.popLast()
      } else {
        components.append(component)
      }
    }
    let plain = "/" + components.joined(separator: "/")
    let prefix = prefixes.first { plain.hasPrefix($0) && plain.count > $0.count }
    return prefix.map { String(plain.dropFirst($0.count)) } ?? plain
  }

  /// The path of a file, relative to the current directory if it is not absolute, likewise.
  public func shortened(file path: String) -> String {
    shortened(URL(fileURLWithPath: path).standardized.path)
  }
}
