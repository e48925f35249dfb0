/// The names of an image's functions by address, and the addresses of its names.
public struct SymbolTable: Sendable {
  /// A function in the image.
  private struct Function {
    var address: UInt64
    var size: UInt64
    /// The place of the name in the file.
    var name: Int
  }

  private let reader: ByteReader
  /// Sorted by address.
  private let functions: [Function]
  private let symbols: [(name: Int, address: UInt64)]

  private static let symbolTable: UInt32 = 2
  private static let function: UInt8 = 2

  /// Reads all symbol tables of a file; a stripped file has none.
  init(_ reader: ByteReader, _ header: Header) throws(OutOfBounds) {
    var functions: [Function] = []
    var symbols: [(name: Int, address: UInt64)] = []
    for index in 0..<header.sectionCount {
      let section = header.sectionOffset(index)
      guard try reader.required(uint32: section + 4) == Self.symbolTable else { continue }
      guard let table = try Self.content(reader, section) else { throw OutOfBounds() }
      let link = Int(try reader.required(uint32: section + 40))
      guard link < header.sectionCount,
        let names = try Self.content(reader, header.sectionOffset(link))
      else { throw OutOfBounds() }
      for symbol in stride(from: table.lowerBound, to: table.upperBound - 23, by: 24) {
        let name = names.lowerBound + Int(try reader.required(uint32: symbol))
        let defined = try reader.required(uint16: symbol + 6) != 0
        guard defined, name < names.upperBound else { continue }
        let address = try reader.required(uint64: symbol + 8)
        symbols.append((name, address))
        if reader.bytes[symbol + 4] & 0xf == Self.function {
          functions.append(
            Function(
              address: address, size: try reader.required(uint64: symbol + 16), name: name))
        }
      }
    }
    self.reader = reader
    // Of several names for one address the first in the file stays first.
    self.functions = functions.enumerated()
      .sorted { ($0.element.address, $0.offset) < ($1.element.address, $1.offset) }
      .map(\.element)
    self.symbols = symbols
  }

  private static func content(_ reader: ByteReader, _ section: Int) throws(OutOfBounds) -> Range<
    Int
  >? {
    reader.range(
      offset: try reader.required(uint64: section + 24),
      size: try reader.required(uint64: section + 32))
  }

  /// The address of a name as it stands in the file.
  public func address(of name: String) -> UInt64? {
    symbols.first { reader.string($0.name) == name }?.address
  }

  /// The place and the size in bytes of the function with a name as it stands in the file; the size
  /// of one written in assembly may be 0.
  public func function(named name: String) -> (address: UInt64, size: UInt64)? {
    functions.first { reader.string($0.name) == name }.map { ($0.address, $0.size) }
  }

  /// The name (see `FunctionName`) of the function that holds an address, and where in it the address lies.
  ///
  /// - Parameter isReturnAddress: the address follows a call; that belongs to the caller even when
  ///   it is the caller's last instruction.
  public func function(at address: UInt64, isReturnAddress: Bool = false) -> (
    name: String, offset: UInt64
  )? {
    let place = isReturnAddress && address > 0 ? address - 1 : address
    var low = 0
    var high = functions.count
    while low < high {
      let middle = (low + high) / 2
      if functions[middle].address <= place { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return nil }
    var index = low - 1
    while index > 0, functions[index - 1].address == functions[index].address { index -= 1 }
    let function = functions[index]
    // Functions written in assembly may have no size: they reach to the next one.
    guard function.size == 0 || place - function.address < function.size,
      let name = reader.string(function.name)
    else { return nil }
    return (FunctionName.of(symbol: name), address - function.address)
  }
}
