/// Structures of equal size, one after the other, that are known to lie in the file.
struct Table {
  private let content: FileContent
  private let offset: Int
  private let entrySize: Int
  /// The number of structures.
  let count: Int

  /// Creates a table, or `nil` when it does not lie in the file or its entries are too small.
  ///
  /// - Parameter minimum: the bytes of an entry that are read.
  init?(
    _ content: FileContent, offset: UInt64, count: UInt64, entrySize: UInt64, minimum: UInt64
  ) {
    let (size, overflow) = count.multipliedReportingOverflow(by: entrySize)
    guard !overflow, count == 0 || entrySize >= minimum,
      let range = content.range(offset: offset, size: size)
    else { return nil }
    self.content = content
    self.offset = range.lowerBound
    // As large as the file at most; an empty table has no entries that could be read.
    self.entrySize = count == 0 ? 0 : Int(entrySize)
    self.count = Int(count)
  }

  /// The entries of a section, or `nil` when their size is wrong.
  init?(_ content: FileContent, _ section: ELFFile.Section, minimum: UInt64) {
    guard section.kind != ELFFile.Section.noBits else { return nil }
    if section.size == 0 {
      self.init(content, offset: 0, count: 0, entrySize: 0, minimum: minimum)
      return
    }
    guard section.entrySize >= minimum, section.size % section.entrySize == 0 else { return nil }
    self.init(
      content, offset: section.offset, count: section.size / section.entrySize,
      entrySize: section.entrySize, minimum: minimum)
  }

  /// The number that stands `field` bytes after the beginning of an entry.
  func load<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, _ entry: Int, at field: Int
  ) -> Value {
    precondition(
      entry >= 0 && entry < count && field >= 0 && field + MemoryLayout<Value>.size <= entrySize)
    return Value(
      littleEndian: content.bytes.loadUnaligned(
        fromByteOffset: offset + entry * entrySize + field, as: type))
  }
}
