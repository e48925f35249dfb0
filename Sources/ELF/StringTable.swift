import Glibc

/// Names, each of which ends with a zero byte.
struct StringTable {
  private let content: FileContent
  private let range: Range<Int>
  /// How many bytes of names may still be made.
  ///
  /// Names may lie in each other, so a small file can name terabytes. Those of a linker's file
  /// are hardly longer together than its symbols and names.
  private var budget: Int

  /// Creates a table, or `nil` when the section holds no names or its last name does not end.
  init?(_ content: FileContent, _ section: ELFFile.Section) {
    guard section.kind == ELFFile.Section.stringTable,
      let range = content.range(offset: section.offset, size: section.size),
      range.isEmpty || content.bytes[range.upperBound - 1] == 0
    else { return nil }
    self.content = content
    self.range = range
    let (product, overflow) = content.bytes.count.multipliedReportingOverflow(by: 8)
    budget = overflow ? .max : product
  }

  /// The name at an offset, or `nil` when the table has none there or names too much.
  mutating func name(at offset: UInt32) -> String? {
    if offset == 0, range.isEmpty { return "" }
    guard let start = content.bytes.baseAddress, Int(offset) < range.count else { return nil }
    let name = start + range.lowerBound + Int(offset)
    // The last byte of the table is zero.
    let length = strlen(name.assumingMemoryBound(to: CChar.self))
    guard length <= budget else { return nil }
    budget -= length
    return String(decoding: UnsafeRawBufferPointer(start: name, count: length), as: UTF8.self)
  }
}
