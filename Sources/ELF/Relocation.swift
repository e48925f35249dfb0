extension ELFFile {
  /// A place that gets its value when the file is linked or loaded, or that got it when it was
  /// linked by a linker that keeps relocations (`--emit-relocs`).
  public struct Relocation: Equatable, Sendable {
    /// The address of the place; in an object file its distance from the beginning of the section.
    public let offset: UInt64
    /// How the value is made, by the architecture's numbers.
    public let type: UInt32
    /// What is added to the symbol's address.
    public let addend: Int64
    /// The symbol; `nil` when the value needs none.
    public let symbol: Symbol?
    /// The index of the section that it changes; `nil` when that is not known, as for dynamic ones.
    public let targetSection: Int?
    /// Whether it is to be done when the file is loaded.
    public let isDynamic: Bool
  }

  /// All relocations whose section is wanted, in the file's order.
  ///
  /// Each call reads them anew. Debugging information has far more of them than code: who does not
  /// need them asks for `{ $0?.isAllocated != false }`.
  ///
  /// - Parameter isWanted: is called once for each table of relocations with the section that they
  ///   change, or with `nil` when that is not known, as for dynamic ones.
  public func relocations(
    where isWanted: (Section?) -> Bool = { _ in true }
  ) throws(ReadingError) -> [Relocation] {
    var relocations: [Relocation] = []
    var symbolTables: [Int: [Symbol]] = [:]
    for section in sections {
      let target = try target(of: section)
      switch section.kind {
      case Section.relocations where isWanted(target.map { sections[$0] }):
        try read(section, target, &symbolTables, into: &relocations)
      case Section.packedRelocations where isWanted(nil):
        try readPacked(section, into: &relocations)
      case Section.relocationsInPlace where isWanted(target.map { sections[$0] }):
        throw .unsupported(path: path, what: "relocations without addends in \(section.name)")
      default: break
      }
    }
    return relocations
  }

  /// The index of the section that a table changes.
  private func target(of section: Section) throws(ReadingError) -> Int? {
    guard section.kind == Section.relocations || section.kind == Section.relocationsInPlace,
      !section.isAllocated, section.info != 0
    else { return nil }
    guard Int(section.info) < sections.count else {
      throw damaged("the section that \(section.name) changes does not exist")
    }
    return Int(section.info)
  }

  /// The number of relocations that a file can have: each takes 24 bytes of it, or changes 8 of
  /// its bytes. Tables that lie in each other could pretend to have any number.
  private var maximumRelocationCount: Int { size / 8 }

  private func read(
    _ section: Section, _ target: Int?, _ symbolTables: inout [Int: [Symbol]],
    into relocations: inout [Relocation]
  ) throws(ReadingError) {
    guard let table = Table(content, section, minimum: 24) else {
      throw damaged("the size of the entries of \(section.name) is wrong")
    }
    guard table.count <= maximumRelocationCount - relocations.count else {
      throw damaged("its relocations lie in each other")
    }
    relocations.reserveCapacity(relocations.count + table.count)
    var symbols: [Symbol] = []
    for entry in 0..<table.count {
      let info = table.load(UInt64.self, entry, at: 8)
      let index = Int(info >> 32)
      if index != 0, symbols.isEmpty {
        symbols = try self.symbols(of: section, &symbolTables)
      }
      guard index == 0 || index < symbols.count else {
        throw damaged("the symbol of relocation \(entry) in \(section.name) does not exist")
      }
      relocations.append(
        Relocation(
          offset: table.load(UInt64.self, entry, at: 0), type: UInt32(truncatingIfNeeded: info),
          addend: table.load(Int64.self, entry, at: 16), symbol: index == 0 ? nil : symbols[index],
          targetSection: target, isDynamic: section.isAllocated))
    }
  }

  /// The symbols to which a table of relocations refers.
  private func symbols(
    of section: Section, _ symbolTables: inout [Int: [Symbol]]
  ) throws(ReadingError) -> [Symbol] {
    let link = Int(section.link)
    if let known = symbolTables[link] { return known }
    guard link < sections.count,
      [Section.symbolTable, Section.dynamicSymbolTable].contains(sections[link].kind)
    else { throw damaged("the symbols of \(section.name) are missing") }
    // One of each kind is allowed, and many could lie in each other.
    guard symbolTables.count < 2 else { throw damaged("it has too many symbol tables") }
    let symbols = try symbols(inTable: link)
    symbolTables[link] = symbols
    return symbols
  }

  /// Reads a table in which an even number is the address of a place, and an odd one says by its
  /// other bits which of the next 63 words are places too (System V ABI, SHT_RELR).
  private func readPacked(
    _ section: Section, into relocations: inout [Relocation]
  ) throws(ReadingError) {
    guard let table = Table(content, section, minimum: 8) else {
      throw damaged("the size of the entries of \(section.name) is wrong")
    }
    let type: UInt32
    switch architecture {
    case .x86_64: type = 8  // R_X86_64_RELATIVE
    case .aarch64: type = 1027  // R_AARCH64_RELATIVE
    case .other(let machine):
      throw .unsupported(path: path, what: "packed relocations for the unknown machine \(machine)")
    }
    var place: UInt64 = 0
    for entry in 0..<table.count {
      let word = table.load(UInt64.self, entry, at: 0)
      if word & 1 == 0 {
        try append(packedAt: word, type, section, to: &relocations)
        place = word &+ 8
      } else {
        for bit in 0..<63 as Range<UInt64> where word >> (bit + 1) & 1 != 0 {
          try append(packedAt: place &+ bit * 8, type, section, to: &relocations)
        }
        place &+= 63 * 8
      }
    }
  }

  private func append(
    packedAt place: UInt64, _ type: UInt32, _ section: Section,
    to relocations: inout [Relocation]
  ) throws(ReadingError) {
    guard relocations.count < maximumRelocationCount,
      let offset = offset(ofAddress: place, size: 8),
      let addend = content.load(Int64.self, at: Int(offset))
    else { throw damaged("\(section.name) changes what does not lie in it") }
    relocations.append(
      Relocation(
        offset: place, type: type, addend: addend, symbol: nil, targetSection: nil,
        isDynamic: true))
  }
}
