extension ELFFile {
  /// A part of the file that a section header describes.
  public struct Section: Equatable, Sendable {
    /// The name; empty when the file names no sections.
    public let name: String
    /// What it holds: one of the constants here or another of the ABI's numbers.
    public let kind: UInt32
    /// SHF_WRITE and other bits of the ABI.
    public let flags: UInt64
    /// Where it stands in memory; 0 when it is not loaded.
    public let address: UInt64
    /// Where its bytes begin in the file.
    public let offset: UInt64
    /// The number of bytes. All of them lie in the file, unless it is one of `noBits`.
    public let size: UInt64
    /// The size of its entries if it is a table.
    public let entrySize: UInt64
    /// The index of a section that goes with it; which one depends on the kind.
    public let link: UInt32
    /// More about it; what depends on the kind.
    public let info: UInt32
    /// The alignment of its address in bytes; 0 and 1 are none.
    public let alignment: UInt64

    /// SHT_NULL: the header is not used.
    public static let unused: UInt32 = 0
    /// SHT_PROGBITS: code or data.
    public static let programBits: UInt32 = 1
    /// SHT_SYMTAB
    public static let symbolTable: UInt32 = 2
    /// SHT_STRTAB
    public static let stringTable: UInt32 = 3
    /// SHT_RELA
    public static let relocations: UInt32 = 4
    /// SHT_NOTE
    public static let note: UInt32 = 7
    /// SHT_NOBITS: zero bytes that take no place in the file.
    public static let noBits: UInt32 = 8
    /// SHT_REL: relocations whose addends stand in the place that they change.
    static let relocationsInPlace: UInt32 = 9
    /// SHT_DYNSYM
    public static let dynamicSymbolTable: UInt32 = 11
    /// SHT_SYMTAB_SHNDX: section indices of symbols that do not fit in 16 bits.
    static let extendedIndices: UInt32 = 18
    /// SHT_RELR: relative relocations, packed.
    public static let packedRelocations: UInt32 = 19

    /// Whether it is in memory when the program runs.
    public var isAllocated: Bool { flags & 2 != 0 }
    public var isWritable: Bool { flags & 1 != 0 }
    public var isExecutable: Bool { flags & 4 != 0 }
    /// Whether its bytes are compressed (SHF_COMPRESSED); they are handed over as they are.
    public var isCompressed: Bool { flags & 0x800 != 0 }

    static func all(
      _ table: Table, nameTable: Int, _ content: FileContent, path: String
    ) throws(ReadingError) -> [Self] {
      var names: StringTable?
      if nameTable != 0 {
        guard nameTable < table.count else {
          throw .truncated(path: path, what: "the section with its sections' names is missing")
        }
        names = StringTable(content, Self(table, nameTable, name: ""))
        if names == nil {
          throw .truncated(path: path, what: "its sections' names lie outside of it or do not end")
        }
      }
      var sections: [Self] = []
      sections.reserveCapacity(table.count)
      for index in 0..<table.count {
        var name = ""
        if names != nil {
          guard let text = names?.name(at: table.load(UInt32.self, index, at: 0)) else {
            throw .truncated(path: path, what: "the name of its section \(index) is missing")
          }
          name = text
        }
        let section = Self(table, index, name: name)
        guard
          section.kind == unused || section.kind == noBits
            || content.range(offset: section.offset, size: section.size) != nil
        else {
          throw .truncated(path: path, what: "its section \(index) \(name) lies outside of it")
        }
        sections.append(section)
      }
      return sections
    }

    private init(_ table: Table, _ index: Int, name: String) {
      self.name = name
      kind = table.load(UInt32.self, index, at: 4)
      flags = table.load(UInt64.self, index, at: 8)
      address = table.load(UInt64.self, index, at: 16)
      offset = table.load(UInt64.self, index, at: 24)
      size = table.load(UInt64.self, index, at: 32)
      link = table.load(UInt32.self, index, at: 40)
      info = table.load(UInt32.self, index, at: 44)
      alignment = table.load(UInt64.self, index, at: 48)
      entrySize = table.load(UInt64.self, index, at: 56)
    }
  }
}
