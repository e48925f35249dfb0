/// The files of an archive as a tree of directories.
///
/// The nodes stand in one array, each directory in front of all that is below it and in the
/// byte-wise order of names. A later entry of the archive replaces an earlier one with the same
/// path; directories that only occur within paths are added. Symbolic links are not followed.
///
/// The tree is never changed, so any number of CPUs may read it at the same time.
public struct FileTree: @unchecked Sendable {
  /// What a node is.
  public typealias Kind = Archive.Kind

  /// A file, directory, symbolic link or something else, as an index among all nodes.
  public struct Node: Equatable, Sendable {
    /// The index of the node, from 0, the root, up to `count`.
    public let index: Int
  }

  struct Record {
    /// In `archive.paths`.
    let path: Range<Int>
    /// Of the last component, within `path`.
    let nameStart: Int
    let parent: Int
    var kind: Kind
    var mode: UInt32
    var contents: Range<Int>
    /// In `children`.
    var children: Range<Int>
  }

  private let archive: Archive
  private let records: [Record]
  /// The children of each node, one node's after the other's, in the order of names.
  private let children: [Int]

  /// Reads, verifies and sorts an archive, which must stay in place as long as the tree is used.
  ///
  /// - Complexity: O(n log n) in the number of entries.
  public init(_ bytes: UnsafeRawBufferPointer) throws(ArchiveError) {
    archive = try Archive(bytes)
    let builder = try FileTreeBuilder(archive)
    records = builder.records
    children = builder.children
  }

  /// The number of nodes, the root included.
  public var count: Int { records.count }

  /// The root directory.
  public var root: Node { Node(index: 0) }

  /// All nodes: each directory in front of what is below it, otherwise ordered by name.
  public var nodes: some Sequence<Node> {
    (0..<records.count).lazy.map { Node(index: $0) }
  }

  /// The node with this path from the root; a `/` in front and doubled ones make no difference.
  ///
  /// - Returns: nil when there is none, and for a path with a component `..`.
  /// - Complexity: O(log n) comparisons for each component.
  public func node(at path: UnsafeRawBufferPointer) -> Node? {
    var components = PathComponents(path)
    var node = root
    while let component = components.next() {
      guard !PathComponents.isParent(component), let child = child(of: node, named: component)
      else { return nil }
      node = child
    }
    return node
  }

  /// The node with this path from the root.
  public func node(at path: String) -> Node? {
    var path = path
    return path.withUTF8 { node(at: UnsafeRawBufferPointer($0)) }
  }

  /// The entry of a directory with this name; nil when there is none.
  public func child(of node: Node, named name: UnsafeRawBufferPointer) -> Node? {
    var range = records[node.index].children
    while !range.isEmpty {
      let middle = range.lowerBound + range.count / 2
      let order = withName(of: Node(index: children[middle])) { ByteOrder.compare($0, name) }
      if order == 0 { return Node(index: children[middle]) }
      range = order < 0 ? middle + 1..<range.upperBound : range.lowerBound..<middle
    }
    return nil
  }

  /// The entries of a directory in the byte-wise order of their names; none for anything else.
  public func children(of node: Node) -> some RandomAccessCollection<Node> {
    children[records[node.index].children].lazy.map { Node(index: $0) }
  }

  /// The directory that a node is in; nil for the root.
  public func parent(of node: Node) -> Node? {
    node.index == 0 ? nil : Node(index: records[node.index].parent)
  }

  /// What a node is.
  public func kind(of node: Node) -> Kind {
    records[node.index].kind
  }

  /// The type and permissions of a node as in Unix's `stat`; 0o040755 for a directory that the
  /// archive does not list.
  public func mode(of node: Node) -> UInt32 {
    records[node.index].mode
  }

  /// The contents of a file, or the path that a symbolic link leads to; within the archive, not
  /// copied.
  public func contents(of node: Node) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: archive.bytes[records[node.index].contents])
  }

  /// Hands the path of a node to `body`: without a `/` in front, empty for the root.
  public func withPath<Result>(of node: Node, _ body: (UnsafeRawBufferPointer) -> Result) -> Result
  {
    let range = records[node.index].path
    return archive.paths.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }
  }

  /// Hands the name of a node to `body`, the last component of its path; empty for the root.
  public func withName<Result>(of node: Node, _ body: (UnsafeRawBufferPointer) -> Result) -> Result
  {
    let record = records[node.index]
    return archive.paths.withUnsafeBytes {
      body(UnsafeRawBufferPointer(rebasing: $0[record.nameStart..<record.path.upperBound]))
    }
  }
}
