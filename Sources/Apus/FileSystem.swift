#if hasFeature(Embedded)
import FileSystem
import Kernel

/// Why a file or directory cannot be had.
public enum FileSystemError: Error, CustomStringConvertible {
  case notFound(String)
  case notADirectory(String)
  case notAFile(String)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .notFound(let path): "\(path): no such file or directory"
    case .notADirectory(let path): "\(path): not a directory"
    case .notAFile(let path): "\(path): not a regular file"
    }
  }
}

/// The files of `apus run --rootfs`: read only, in memory, seen from `/`.
public enum FileSystem {
  /// A file or directory as a listing shows it.
  public struct Entry {
    /// What an entry can be.
    public enum Kind { case file, directory, symbolicLink, other }

    /// The last part of the path.
    public let name: String
    /// The whole path, from `/` on.
    public let path: String
    /// What it is.
    public let kind: Kind
    /// Bytes in it; 0 for a directory.
    public let size: Int

    let node: FileTree.Node
  }

  /// What a directory holds, in the order of the names' bytes. Symbolic links are not followed.
  public static func list(_ directory: String) throws(FileSystemError) -> [Entry] {
    guard let tree = InitialFiles.tree else {
      if directory.utf8.elementsEqual("/".utf8) { return [] }
      throw .notFound(directory)
    }
    guard let node = tree.pointee.node(at: directory) else { throw .notFound(directory) }
    guard tree.pointee.kind(of: node) == .directory else { throw .notADirectory(directory) }
    var entries: [Entry] = []
    for child in tree.pointee.children(of: node) { entries.append(entry(child, in: tree)) }
    return entries
  }

  /// The bytes of a file, in place: they stay as long as the program runs.
  public static func contents(
    of path: String
  ) throws(FileSystemError) -> UnsafeRawBufferPointer {
    guard let tree = InitialFiles.tree, let node = tree.pointee.node(at: path) else {
      throw .notFound(path)
    }
    guard tree.pointee.kind(of: node) == .file else { throw .notAFile(path) }
    return tree.pointee.contents(of: node)
  }

  /// The bytes of a file of a listing.
  public static func contents(of entry: Entry) -> UnsafeRawBufferPointer {
    guard let tree = InitialFiles.tree, entry.kind == .file else {
      return UnsafeRawBufferPointer(start: nil, count: 0)
    }
    return tree.pointee.contents(of: entry.node)
  }

  /// All regular files, at any depth.
  public static var files: [Entry] {
    guard let tree = InitialFiles.tree else { return [] }
    var files: [Entry] = []
    for node in tree.pointee.nodes where tree.pointee.kind(of: node) == .file {
      files.append(entry(node, in: tree))
    }
    return files
  }

  private static func entry(_ node: FileTree.Node, in tree: UnsafePointer<FileTree>) -> Entry {
    let kind: Entry.Kind =
      switch tree.pointee.kind(of: node) {
      case .file: .file
      case .directory: .directory
      case .symbolicLink: .symbolicLink
      case .other: .other
      }
    return Entry(
      name: tree.pointee.withName(of: node) { String(decoding: $0, as: UTF8.self) },
      path: tree.pointee.withPath(of: node) { path in
        path.first == 0x2F
          ? String(decoding: path, as: UTF8.self) : "/" + String(decoding: path, as: UTF8.self)
      },
      kind: kind, size: kind == .directory ? 0 : tree.pointee.contents(of: node).count, node: node)
  }
}
#endif
