/// Makes small ELF files for tests: 64-bit, little-endian, and right, to be broken afterwards.
///
/// The header comes first, then the program headers, what the sections hold, and the section
/// headers.
public struct ELFBuilder: Sendable {
  /// What becomes a section. Its index is its place in `sections`, and 1 for the first one.
  public struct Section: Sendable {
    public var name: String
    public var kind: UInt32
    public var flags: UInt64
    public var address: UInt64
    public var content: [UInt8]
    /// The size in the header, if it is not that of the content.
    public var size: UInt64?
    public var link: UInt32
    public var info: UInt32
    public var entrySize: UInt64
    public var alignment: UInt64

    public init(
      _ name: String, kind: UInt32, flags: UInt64 = 0, address: UInt64 = 0,
      content: [UInt8] = [], size: UInt64? = nil, link: UInt32 = 0, info: UInt32 = 0,
      entrySize: UInt64 = 0, alignment: UInt64 = 8
    ) {
      self.name = name
      self.kind = kind
      self.flags = flags
      self.address = address
      self.content = content
      self.size = size
      self.link = link
      self.info = info
      self.entrySize = entrySize
      self.alignment = alignment
    }
  }

  /// What becomes a program header: that of a section.
  public struct Segment: Sendable {
    public var kind: UInt32
    public var flags: UInt32
    /// The index of the section.
    public var section: Int
    /// The bytes that it takes in memory beyond those in the file.
    public var zeroBytes: UInt64

    public init(kind: UInt32, flags: UInt32, section: Int, zeroBytes: UInt64 = 0) {
      self.kind = kind
      self.flags = flags
      self.section = section
      self.zeroBytes = zeroBytes
    }
  }

  /// What becomes a symbol.
  public struct Symbol: Sendable {
    public var name: String
    public var address: UInt64
    public var size: UInt64
    /// STB_ in the upper four bits, STT_ in the lower ones.
    public var info: UInt8
    public var section: UInt16

    public init(
      _ name: String, at address: UInt64, size: UInt64 = 0, info: UInt8 = 0x12, section: UInt16 = 1
    ) {
      self.name = name
      self.address = address
      self.size = size
      self.info = info
      self.section = section
    }
  }

  public var machine: UInt16
  /// ET_REL, ET_EXEC and so on.
  public var kind: UInt16
  public var entry: UInt64 = 0
  public var segments: [Segment] = []
  public private(set) var sections: [Section] = []
  /// Whether section 0 holds the numbers of sections and segments, and the header does not.
  public var usesExtendedNumbering = false

  /// Creates a file for a machine, x86-64 if not told, that is linked if not told.
  public init(machine: UInt16 = 62, kind: UInt16 = 2) {
    self.machine = machine
    self.kind = kind
  }

  /// Adds a section, and returns its index.
  @discardableResult public mutating func add(_ section: Section) -> Int {
    sections.append(section)
    return sections.count
  }

  /// Adds `.symtab` and `.strtab`, and returns the index of the former.
  ///
  /// The empty symbol 0 is added by itself.
  @discardableResult public mutating func add(
    symbols: [Symbol], name: String = ".symtab", kind: UInt32 = 2
  ) -> Int {
    var names: [UInt8] = [0]
    var table = [UInt8](repeating: 0, count: 24)
    for symbol in symbols {
      table.append(little: UInt32(symbol.name.isEmpty ? 0 : names.count))
      table += [symbol.info, 0]
      table.append(little: symbol.section)
      table.append(little: symbol.address)
      table.append(little: symbol.size)
      if !symbol.name.isEmpty { names += Array(symbol.name.utf8) + [0] }
    }
    let link = UInt32(sections.count + 2)
    let index = add(
      Section(name, kind: kind, content: table, link: link, info: 1, entrySize: 24))
    add(Section(".strtab", kind: 3, content: names, alignment: 1))
    return index
  }

  /// Where the header of a segment is.
  public static func segmentHeader(_ index: Int) -> Int { 64 + 56 * index }

  /// Where the header of a section is in a file that this made.
  public static func sectionHeader(_ index: Int, of file: [UInt8]) -> Int {
    file[40..<48].reversed().reduce(0) { $0 << 8 | Int($1) } + 64 * index
  }

  /// The bytes of the file.
  public var bytes: [UInt8] {
    var names: [UInt8] = [0]
    var nameOffsets: [UInt32] = []
    let all = sections + [Section(".shstrtab", kind: 3, alignment: 1)]
    for section in all {
      nameOffsets.append(UInt32(names.count))
      names += Array(section.name.utf8) + [0]
    }
    var offsets: [UInt64] = []
    var file = [UInt8](repeating: 0, count: Self.segmentHeader(segments.count))
    for section in all {
      file += [UInt8](repeating: 0, count: -file.count & 7)
      offsets.append(UInt64(file.count))
      file += section.kind == 3 && section.name == ".shstrtab" ? names : section.content
    }
    file += [UInt8](repeating: 0, count: -file.count & 7)
    let headers = UInt64(file.count)
    putHeader(into: &file, sectionHeaders: headers)
    for (index, segment) in segments.enumerated() {
      put(segment, at: Self.segmentHeader(index), offsets, into: &file)
    }
    file += [UInt8](repeating: 0, count: 64)
    if usesExtendedNumbering {
      file.put(UInt64(all.count + 1), at: Int(headers) + 32)
      file.put(UInt32(all.count), at: Int(headers) + 40)
      file.put(UInt32(segments.count), at: Int(headers) + 44)
    }
    for (index, section) in all.enumerated() {
      let size = index == sections.count ? names.count : section.content.count
      file.append(little: nameOffsets[index])
      file.append(little: section.kind)
      file.append(little: section.flags)
      file.append(little: section.address)
      file.append(little: offsets[index])
      file.append(little: section.size ?? UInt64(size))
      file.append(little: section.link)
      file.append(little: section.info)
      file.append(little: section.alignment)
      file.append(little: section.entrySize)
    }
    return file
  }

  private func putHeader(into file: inout [UInt8], sectionHeaders: UInt64) {
    file.replaceSubrange(0..<7, with: [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
    file.put(kind, at: 16)
    file.put(machine, at: 18)
    file.put(UInt32(1), at: 20)
    file.put(entry, at: 24)
    file.put(UInt64(64), at: 32)
    file.put(sectionHeaders, at: 40)
    let counts: [UInt16] =
      usesExtendedNumbering
      ? [64, 56, 0xffff, 64, 0, 0xffff]
      : [
        64, 56, UInt16(segments.count), 64, UInt16(sections.count + 2), UInt16(sections.count + 1),
      ]
    for (index, count) in counts.enumerated() { file.put(count, at: 52 + 2 * index) }
  }

  private func put(
    _ segment: Segment, at place: Int, _ offsets: [UInt64], into file: inout [UInt8]
  ) {
    let section = sections[segment.section - 1]
    file.put(segment.kind, at: place)
    file.put(segment.flags, at: place + 4)
    file.put(offsets[segment.section - 1], at: place + 8)
    file.put(section.address, at: place + 16)
    file.put(section.address, at: place + 24)
    file.put(UInt64(section.content.count), at: place + 32)
    file.put(UInt64(section.content.count) + segment.zeroBytes, at: place + 40)
    file.put(section.alignment, at: place + 48)
  }
}
