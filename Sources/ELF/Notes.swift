extension ELFFile {
  /// The identifier by which the linker tells this file from all others (NT_GNU_BUILD_ID), or
  /// `nil` when it has none.
  public var buildID: [UInt8]? { note(3, of: "GNU") }

  /// The content of the first note of a kind.
  ///
  /// - Parameters:
  ///   - kind: the number that the owner has given to it.
  ///   - owner: who defined the note.
  ///   - segmentsOnly: only what program headers describe is searched, as loaders do, and no
  ///     sections.
  public func note(_ kind: UInt32, of owner: String, segmentsOnly: Bool = false) -> [UInt8]? {
    for segment in segments where segment.kind == Segment.note {
      let place = content.range(offset: segment.offset, size: segment.fileSize)
      if let note = note(kind, of: owner, in: place, alignment: segment.alignment) { return note }
    }
    guard !segmentsOnly else { return nil }
    for section in sections where section.kind == Section.note {
      let place = content.range(offset: section.offset, size: section.size)
      if let note = note(kind, of: owner, in: place, alignment: section.alignment) { return note }
    }
    return nil
  }

  /// Notes have the sizes of owner and content, the kind, and then both, padded to words of 4
  /// bytes, or of 8 where the whole is so aligned.
  private func note(
    _ kind: UInt32, of owner: String, in place: Range<Int>?, alignment: UInt64
  ) -> [UInt8]? {
    guard let place else { return nil }
    let mask = alignment == 8 ? 7 : 3
    var at = place.lowerBound
    // The sizes have 32 bits each, so that no sum overflows.
    while at <= place.upperBound - 12, let ownerSize = content.load(UInt32.self, at: at),
      let size = content.load(UInt32.self, at: at + 4),
      let found = content.load(UInt32.self, at: at + 8)
    {
      let begin = at + (12 + Int(ownerSize) + mask) & ~mask
      let end = begin + Int(size)
      guard end <= place.upperBound else { return nil }
      let name = content.bytes[at + 12..<at + 12 + Int(ownerSize)]
      if found == kind, name.last == 0, name.dropLast().elementsEqual(owner.utf8) {
        return Array(content.bytes[begin..<end])
      }
      at = begin + (Int(size) + mask) & ~mask
    }
    return nil
  }
}
