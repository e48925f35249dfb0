/// The entries of a cpio archive of the "newc" kind, as Linux takes for its initial file system.
///
/// Several archives may follow one another, with NULs in between. Everything is verified before
/// there is a value of this type. File contents are not copied.
/// Source: Linux, `Documentation/driver-api/early-userspace/buffer-format.rst`.
///
/// - Complexity: O(n) in the archive's bytes of headers and, with `070702`, of contents.
public struct Archive {
  /// What an entry is.
  public enum Kind: Equatable, Sendable {
    /// A regular file.
    case file
    /// A directory.
    case directory
    /// A symbolic link; its contents are the path it leads to.
    case symbolicLink
    /// A device, pipe or socket.
    case other

    init(mode: UInt32) {
      switch mode & 0o170000 {
      case 0o100000: self = .file
      case 0o040000: self = .directory
      case 0o120000: self = .symbolicLink
      default: self = .other
      }
    }
  }

  /// One entry.
  public struct Entry {
    /// Where in `paths` the entry's path is, normalised: without `/` at its ends, without empty
    /// components and `.`; empty for the root.
    public let path: Range<Int>
    /// What it is.
    public let kind: Kind
    /// The file's type and permissions as in Unix's `stat`.
    public let mode: UInt32
    /// Where in the archive the contents are.
    public internal(set) var contents: Range<Int>
    /// Where in the archive the entry's header is.
    public let offset: Int
  }

  /// The archive.
  public let bytes: UnsafeRawBufferPointer
  /// All paths, one behind the other.
  public let paths: [UInt8]
  /// All entries but the trailers, in the archive's order.
  public let entries: [Entry]

  /// Reads and verifies an archive, which must stay in place as long as the value is used.
  ///
  /// Takes memory from the heap for the paths and entries.
  public init(_ bytes: UnsafeRawBufferPointer) throws(ArchiveError) {
    guard bytes.count <= Int(Int32.max) else {
      throw ArchiveError(reason: .tooLarge, offset: Int(Int32.max))
    }
    var parser = ArchiveParser(bytes)
    try parser.parse()
    self.bytes = bytes
    paths = parser.paths
    entries = parser.entries
  }
}
