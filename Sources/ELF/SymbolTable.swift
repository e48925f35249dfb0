/// The names of a file's functions by address, and the addresses of its names.
///
/// It needs nothing of the file any more.
public struct SymbolTable: Sendable {
  /// Sorted by address.
  private let functions: [ELFFile.Symbol]
  private let symbols: [ELFFile.Symbol]

  /// Creates a table of those symbols that are defined.
  public init(_ symbols: [ELFFile.Symbol]) {
    self.symbols = symbols.filter(\.isDefined)
    // Of several names for one address the first in the file stays first.
    functions = self.symbols.filter { $0.kind == .function }.enumerated()
      .sorted { ($0.element.address, $0.offset) < ($1.element.address, $1.offset) }
      .map(\.element)
  }

  /// Whether the file has no names, as one that was stripped.
  public var isEmpty: Bool { symbols.isEmpty }

  /// The address of a name as it stands in the file.
  public func address(of name: String) -> UInt64? {
    symbols.first { $0.name == name }?.address
  }

  /// The place and the size in bytes of the function with a name as it stands in the file; the size
  /// of one written in assembly may be 0.
  public func function(named name: String) -> (address: UInt64, size: UInt64)? {
    functions.first { $0.name == name }.map { ($0.address, $0.size) }
  }

  /// The names (see `FunctionName`) of the variables and constants of which a part lies in a range
  /// of addresses, by address. Those whose size is not known are left out.
  public func objects(in range: Range<UInt64>) -> [String] {
    symbols
      .filter { $0.kind == .object && $0.size > 0 }
      .filter {
        $0.address < range.upperBound
          && range.lowerBound - min($0.address, range.lowerBound) < $0.size
      }
      .sorted { $0.address < $1.address }
      .map { FunctionName.of(symbol: $0.name) }
  }

  /// The name (see `FunctionName`) of the function that holds an address, and where in it the
  /// address lies.
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
    guard function.size == 0 || place - function.address < function.size else { return nil }
    return (FunctionName.of(symbol: function.name), address - function.address)
  }
}
