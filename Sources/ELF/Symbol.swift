extension ELFFile {
  /// A name for a place in the code or the data.
  public struct Symbol: Equatable, Sendable {
    /// The name as it stands in the file; that of the section for a section's symbol without one.
    public let name: String
    /// The address; in an object file the distance from the beginning of the section.
    public let address: UInt64
    /// The number of bytes that belong to it; 0 when that is not known.
    public let size: UInt64
    public let kind: Kind
    public let binding: Binding
    /// Whether the file defines it; otherwise another one has to.
    public let isDefined: Bool
    /// Whether it is a number, which stays the same when sections move.
    public let isAbsolute: Bool
    /// The index in `sections` of the section in which it lies; 0 when it lies in none. Indices
    /// that do not fit in the symbol itself (SHN_XINDEX) are resolved.
    public let sectionIndex: UInt32

    /// What a symbol stands for.
    public enum Kind: Equatable, Sendable {
      /// Nothing in particular; labels in assembly often have it.
      case noType
      case object
      case function
      case section
      case file
      case tls
      /// A function that returns the address of the function to call.
      case indirectFunction
      case other(UInt8)

      init(_ number: UInt8) {
        self =
          switch number {
          case 0: .noType
          case 1: .object
          case 2: .function
          case 3: .section
          case 4: .file
          case 6: .tls
          case 10: .indirectFunction
          default: .other(number)
          }
      }
    }

    /// Who sees a symbol.
    public enum Binding: Equatable, Sendable {
      case local
      case global
      case weak
      case other(UInt8)

      init(_ number: UInt8) {
        self =
          switch number {
          case 0: .local
          case 1: .global
          case 2: .weak
          default: .other(number)
          }
      }
    }
  }

  /// All symbols of `.symtab`, or of `.dynsym` when there is no other table, in the file's order;
  /// the empty symbol 0 comes first, so that indices are those of the file.
  ///
  /// Each call reads the table anew.
  public func symbols() throws(ReadingError) -> [Symbol] {
    for kind in [Section.symbolTable, Section.dynamicSymbolTable] {
      if let index = sections.firstIndex(where: { $0.kind == kind }) {
        return try symbols(inTable: index)
      }
    }
    return []
  }

  /// All symbols of the table in a section.
  func symbols(inTable index: Int) throws(ReadingError) -> [Symbol] {
    let section = sections[index]
    guard let table = Table(content, section, minimum: 24) else {
      throw damaged("the size of the entries of its symbol table \(section.name) is wrong")
    }
    guard Int(section.link) < sections.count,
      var names = StringTable(content, sections[Int(section.link)])
    else { throw damaged("the names of \(section.name) are missing or do not end") }
    let extended = try extendedIndices(ofTable: index)
    var symbols: [Symbol] = []
    symbols.reserveCapacity(table.count)
    for entry in 0..<table.count {
      guard var name = names.name(at: table.load(UInt32.self, entry, at: 0)) else {
        throw damaged("the name of its symbol \(entry) is missing")
      }
      let info = table.load(UInt8.self, entry, at: 4)
      let place = table.load(UInt16.self, entry, at: 6)
      var sectionIndex: UInt32 = 0
      if place < Self.reservedIndices {
        sectionIndex = UInt32(place)
      } else if place == Self.extendedIndex {
        guard let extended, entry < extended.count else {
          throw damaged("the section of its symbol \(entry) is missing")
        }
        sectionIndex = extended.load(UInt32.self, entry, at: 0)
      }
      guard Int(sectionIndex) < max(sections.count, 1) else {
        throw damaged("the section of its symbol \(entry) does not exist")
      }
      let kind = Symbol.Kind(info & 0xf)
      if kind == .section, name.isEmpty { name = sections[Int(sectionIndex)].name }
      symbols.append(
        Symbol(
          name: name, address: table.load(UInt64.self, entry, at: 8),
          size: table.load(UInt64.self, entry, at: 16), kind: kind,
          binding: Symbol.Binding(info >> 4), isDefined: place != 0,
          isAbsolute: place == Self.absolute, sectionIndex: sectionIndex))
    }
    return symbols
  }

  /// SHN_LORESERVE, SHN_ABS and SHN_XINDEX
  private static let reservedIndices: UInt16 = 0xff00
  private static let absolute: UInt16 = 0xfff1
  private static let extendedIndex: UInt16 = 0xffff

  private func extendedIndices(ofTable index: Int) throws(ReadingError) -> Table? {
    let section = sections.first {
      $0.kind == Section.extendedIndices && Int($0.link) == index
    }
    guard let section else { return nil }
    guard let table = Table(content, section, minimum: 4) else {
      throw damaged("the size of the entries of \(section.name) is wrong")
    }
    return table
  }
}
