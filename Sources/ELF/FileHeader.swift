/// The header of a file, and the tables to which it points.
struct FileHeader {
  let kind: UInt16
  let machine: UInt16
  let entry: UInt64
  /// The program headers.
  let segments: Table
  /// The section headers.
  let sections: Table
  /// The index of the section that holds the names of the sections; 0 when there is none.
  let sectionNames: Int

  private static let size = 64
  private static let segmentSize: UInt64 = 56
  private static let sectionSize: UInt64 = 64
  /// PN_XNUM and SHN_XINDEX: the number stands in the first section header.
  private static let elsewhere: UInt16 = 0xffff

  init(_ content: FileContent, path: String) throws(ELFFile.ReadingError) {
    let bytes = content.bytes
    guard bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46]) else { throw .notELF(path: path) }
    func damaged(_ what: String) -> ELFFile.ReadingError { .truncated(path: path, what: what) }
    // The class, the byte order and the version come first, and smaller headers have them too.
    guard bytes.count >= 16 else { throw damaged("its header is incomplete") }
    switch bytes[4] {
    case 2: break
    case 1: throw .unsupported(path: path, what: "32-bit code")
    default: throw .unsupported(path: path, what: "the unknown class \(bytes[4])")
    }
    switch bytes[5] {
    case 1: break
    case 2: throw .unsupported(path: path, what: "big-endian numbers")
    default: throw .unsupported(path: path, what: "the unknown byte order \(bytes[5])")
    }
    guard bytes[6] == 1 else {
      throw .unsupported(path: path, what: "the unknown ELF version \(bytes[6])")
    }
    guard
      let header = Table(
        content, offset: 0, count: 1, entrySize: UInt64(Self.size), minimum: UInt64(Self.size))
    else { throw damaged("its header is incomplete") }
    let version = header.load(UInt32.self, 0, at: 20)
    guard version == 1 else {
      throw .unsupported(path: path, what: "the unknown ELF version \(version)")
    }
    kind = header.load(UInt16.self, 0, at: 16)
    machine = header.load(UInt16.self, 0, at: 18)
    entry = header.load(UInt64.self, 0, at: 24)

    let segmentOffset = header.load(UInt64.self, 0, at: 32)
    let segmentSize = UInt64(header.load(UInt16.self, 0, at: 54))
    let segmentCount = header.load(UInt16.self, 0, at: 56)
    let sectionOffset = header.load(UInt64.self, 0, at: 40)
    let sectionSize = UInt64(header.load(UInt16.self, 0, at: 58))
    let sectionCount = header.load(UInt16.self, 0, at: 60)
    let sectionNames = header.load(UInt16.self, 0, at: 62)

    // Section 0 holds the numbers that have more than 16 bits.
    let first =
      sectionOffset == 0
      ? nil
      : Table(
        content, offset: sectionOffset, count: 1, entrySize: sectionSize,
        minimum: Self.sectionSize)
    func extended<Value: FixedWidthInteger & BitwiseCopyable>(
      _ type: Value.Type, at field: Int
    ) throws(ELFFile.ReadingError) -> Value {
      guard let first else { throw damaged("its section headers lie outside of it") }
      return first.load(type, 0, at: field)
    }
    let sections: UInt64 =
      if sectionCount == 0, sectionOffset != 0 {
        try extended(UInt64.self, at: 32)
      } else { UInt64(sectionCount) }
    let segments: UInt64 =
      if segmentCount == Self.elsewhere {
        UInt64(try extended(UInt32.self, at: 44))
      } else { UInt64(segmentCount) }
    self.sectionNames =
      if sectionNames == Self.elsewhere {
        Int(try extended(UInt32.self, at: 40))
      } else { Int(sectionNames) }

    guard segments == 0 || segmentOffset != 0,
      let segmentTable = Table(
        content, offset: segmentOffset, count: segments, entrySize: segmentSize,
        minimum: Self.segmentSize)
    else { throw damaged("its program headers lie outside of it or are too small") }
    guard sections == 0 || sectionOffset != 0,
      let sectionTable = Table(
        content, offset: sectionOffset, count: sections, entrySize: sectionSize,
        minimum: Self.sectionSize)
    else { throw damaged("its section headers lie outside of it or are too small") }
    self.segments = segmentTable
    self.sections = sectionTable
  }
}
