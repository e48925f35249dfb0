/// Reads an archive from its beginning to its end.
struct ArchiveParser {
  private let bytes: UnsafeRawBufferPointer
  private(set) var paths: [UInt8] = []
  private(set) var entries: [Archive.Entry] = []
  private var links: [Link] = []
  private var archiveNumber = 0

  /// A name of a file that has several: only one of them comes with the contents.
  private struct Link {
    let entry: Int
    let archiveNumber: Int
    let device: UInt64
    let inode: UInt32

    func precedes(_ other: Link) -> Bool {
      if archiveNumber != other.archiveNumber { return archiveNumber < other.archiveNumber }
      if device != other.device { return device < other.device }
      if inode != other.inode { return inode < other.inode }
      return entry < other.entry
    }

    func isSameFile(as other: Link) -> Bool {
      archiveNumber == other.archiveNumber && device == other.device && inode == other.inode
    }
  }

  init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
  }

  mutating func parse() throws(ArchiveError) {
    var offset = 0
    repeat {
      while try !parseEntry(at: &offset) {}
      archiveNumber += 1
      while offset < bytes.count && bytes[offset] == 0 { offset += 1 }
      // What follows a trailer begins at a multiple of 4 again, as everything in an archive.
      guard offset == bytes.count || offset & 3 == 0 else {
        throw ArchiveError(reason: .badPadding, offset: offset)
      }
    } while offset < bytes.count
    resolveLinks()
  }

  /// Parses the entry at `offset` and moves `offset` behind it.
  ///
  /// - Returns: whether it was the trailer.
  private mutating func parseEntry(at offset: inout Int) throws(ArchiveError) -> Bool {
    let start = offset
    guard start < bytes.count else {
      throw ArchiveError(reason: .missingTrailer, offset: start)
    }
    let header = try ArchiveHeader(bytes, at: start)
    offset += ArchiveHeader.byteCount
    guard header.nameCount >= 2, header.nameCount <= 4097 else {
      throw ArchiveError(reason: .badNameLength, offset: start)
    }
    guard header.nameCount <= bytes.count - offset else {
      throw ArchiveError(reason: .truncated, offset: start)
    }
    let name = offset..<offset + header.nameCount - 1
    for position in name where bytes[position] == 0 {
      throw ArchiveError(reason: .badName, offset: position)
    }
    guard bytes[name.upperBound] == 0 else {
      throw ArchiveError(reason: .badName, offset: name.upperBound)
    }
    offset += header.nameCount
    if isTrailer(name) {
      // Some writers end the archive right here, without filling up.
      return true
    }
    try skipPadding(at: &offset, start: start)
    guard header.contentCount <= bytes.count - offset else {
      throw ArchiveError(reason: .truncated, offset: start)
    }
    let contents = offset..<offset + header.contentCount
    if header.hasChecksum { try verify(header, contents, start: start) }
    offset = contents.upperBound
    try skipPadding(at: &offset, start: start)
    try append(header, name: name, contents: contents, start: start)
    return false
  }

  private mutating func append(
    _ header: ArchiveHeader, name: Range<Int>, contents: Range<Int>, start: Int
  ) throws(ArchiveError) {
    let path = try normalise(name)
    let kind = Archive.Kind(mode: header.mode)
    if kind == .file && header.linkCount > 1 {
      links.append(
        Link(
          entry: entries.count, archiveNumber: archiveNumber,
          device: UInt64(header.deviceMajor) << 32 | UInt64(header.deviceMinor),
          inode: header.inode))
    }
    entries.append(
      Archive.Entry(
        path: path, kind: kind, mode: header.mode, contents: contents, offset: start))
  }

  /// Copies a path without its empty components and those that are `.`.
  private mutating func normalise(_ name: Range<Int>) throws(ArchiveError) -> Range<Int> {
    let start = paths.count
    var components = PathComponents(UnsafeRawBufferPointer(rebasing: bytes[name]))
    while let component = components.next() {
      if PathComponents.isParent(component) {
        throw ArchiveError(reason: .parentInPath, offset: name.lowerBound)
      }
      if paths.count > start { paths.append(UInt8(ascii: "/")) }
      paths.append(contentsOf: component)
    }
    return start..<paths.count
  }

  private func isTrailer(_ name: Range<Int>) -> Bool {
    StaticString("TRAILER!!!").withUTF8Buffer { trailer in
      guard name.count == trailer.count else { return false }
      for index in 0..<trailer.count where bytes[name.lowerBound + index] != trailer[index] {
        return false
      }
      return true
    }
  }

  private func skipPadding(at offset: inout Int, start: Int) throws(ArchiveError) {
    while offset & 3 != 0 {
      guard offset < bytes.count else { throw ArchiveError(reason: .truncated, offset: start) }
      guard bytes[offset] == 0 else { throw ArchiveError(reason: .badPadding, offset: offset) }
      offset += 1
    }
  }

  private func verify(
    _ header: ArchiveHeader, _ contents: Range<Int>, start: Int
  ) throws(ArchiveError) {
    // All names of a file carry its checksum, also those that come without the contents.
    if contents.isEmpty && header.linkCount > 1 { return }
    var sum: UInt32 = 0
    for position in contents { sum &+= UInt32(bytes[position]) }
    guard sum == header.checksum else { throw ArchiveError(reason: .badChecksum, offset: start) }
  }

  /// Gives every name of a file the contents that came with the last name that had any.
  private mutating func resolveLinks() {
    links.heapSort { $0.precedes($1) }
    var index = 0
    while index < links.count {
      var end = index
      var contents = entries[links[index].entry].contents
      while end < links.count && links[end].isSameFile(as: links[index]) {
        let own = entries[links[end].entry].contents
        if !own.isEmpty { contents = own }
        end += 1
      }
      for link in links[index..<end] where entries[link.entry].contents.isEmpty {
        entries[link.entry].contents = contents
      }
      index = end
    }
  }
}
