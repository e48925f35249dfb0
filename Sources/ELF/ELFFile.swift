/// A 64-bit little-endian ELF file, of which nothing is believed that lies outside its bytes
/// (System V ABI, Object Files; the structures are in elf(5)).
///
/// A file is mapped, not copied. It must not be made shorter while it is in use; linkers write a
/// new file instead.
public struct ELFFile: Sendable {
  /// Why a file cannot be used.
  public enum ReadingError: Error, Equatable, CustomStringConvertible {
    case cannotRead(path: String, reason: String)
    case notELF(path: String)
    /// An ELF file of another kind; `what` says of which.
    case unsupported(path: String, what: String)
    /// The file is incomplete or contradicts itself; `what` says where.
    case truncated(path: String, what: String)

    public var description: String {
      switch self {
      case .cannotRead(let path, let reason): "cannot read \(path): \(reason)"
      case .notELF(let path): "\(path) is no ELF file; give a linked image"
      case .unsupported(let path, let what):
        "\(path) has \(what); give a 64-bit little-endian image"
      case .truncated(let path, let what): "\(path) is damaged: \(what); link it again"
      }
    }
  }

  /// The instruction set of the code, by its number in the header.
  public enum Architecture: Equatable, Sendable {
    // swift-format-ignore: AlwaysUseLowerCamelCase, the name that compilers use
    case x86_64
    case aarch64
    case other(UInt16)
  }

  /// What the file is for.
  public enum Kind: Equatable, Sendable {
    /// An object file, to be linked.
    case relocatable
    /// Linked for fixed addresses.
    case executable
    /// Linked for any address: a library or a position-independent program.
    case shared
    case core
    case other(UInt16)
  }

  /// The path, for messages.
  public let path: String
  public let architecture: Architecture
  public let kind: Kind
  /// The address of the first instruction; 0 when there is none.
  public let entry: UInt64
  /// The parts that are loaded, and what else the program headers describe, in the file's order.
  public let segments: [Segment]
  /// All sections; the first one is the empty section 0. Other structures name them by index.
  public let sections: [Section]

  let content: FileContent

  /// Maps a regular file and reads its headers.
  public init(path: String) throws(ReadingError) {
    let content: FileContent
    do { content = try FileContent(path: path) } catch {
      throw .cannotRead(path: path, reason: error.reason)
    }
    try self.init(content, path: path)
  }

  /// Reads the headers of a file that is in memory; `path` is for messages.
  public init(bytes: [UInt8], path: String) throws(ReadingError) {
    try self.init(FileContent(bytes), path: path)
  }

  private init(_ content: FileContent, path: String) throws(ReadingError) {
    let header = try FileHeader(content, path: path)
    self.path = path
    self.content = content
    architecture =
      switch header.machine {
      case 62: .x86_64
      case 183: .aarch64
      default: .other(header.machine)
      }
    kind =
      switch header.kind {
      case 1: .relocatable
      case 2: .executable
      case 3: .shared
      case 4: .core
      default: .other(header.kind)
      }
    entry = header.entry
    segments = try Segment.all(header.segments, content, path: path)
    sections = try Section.all(
      header.sections, nameTable: header.sectionNames, content, path: path)
  }

  /// The size of the file in bytes.
  public var size: Int { content.bytes.count }

  /// The first section with a name.
  public func section(named name: String) -> Section? { sections.first { $0.name == name } }

  /// Calls `body` with the bytes of a section as they are in the file: none for one that takes no
  /// place there.
  public func withBytes<R>(
    of section: Section, _ body: (UnsafeRawBufferPointer) throws -> R
  ) rethrows -> R {
    try withBytes { bytes in
      // Looked at again, because the section may be another file's.
      guard section.kind != Section.noBits, section.kind != Section.unused,
        let range = content.range(offset: section.offset, size: section.size)
      else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
      return try body(UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
  }

  /// Calls `body` with the bytes of the whole file.
  public func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try withExtendedLifetime(content) { try body(content.bytes) }
  }

  /// The place in the file from which the bytes at a virtual address are loaded, or `nil` when
  /// not all of them are loaded from it by one segment.
  public func offset(ofAddress address: UInt64, size: UInt64) -> UInt64? {
    for segment in segments where segment.kind == Segment.loaded {
      guard address >= segment.virtualAddress else { continue }
      let distance = address - segment.virtualAddress
      if distance <= segment.fileSize, segment.fileSize - distance >= size {
        return segment.offset + distance
      }
    }
    return nil
  }

  func damaged(_ what: String) -> ReadingError { .truncated(path: path, what: what) }
}
