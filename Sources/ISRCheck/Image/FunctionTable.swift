import ELF

/// The functions and objects of an image by address.
struct FunctionTable: Sendable {
  struct Function: Sendable {
    var address: UInt64
    /// 0 when the symbol does not say.
    var size: UInt64
    /// The symbol as it stands in the file.
    var symbol: String
    /// Other names of the same address.
    var aliases: [String] = []
  }

  /// Sorted by address, one for each.
  let functions: [Function]
  private let indices: [UInt64: Int]
  /// Labels in code that are not declared as functions, sorted.
  private let labels: [(address: UInt64, symbol: String)]
  /// Sorted by address.
  private let objects: [(address: UInt64, size: UInt64, symbol: String)]
  /// Whether some code is Swift's, so that its calling convention has to be reckoned with.
  let hasSwift: Bool

  init(_ symbols: [ELFFile.Symbol], isCode: (UInt64) -> Bool) {
    var functions: [Function] = []
    var labels: [(address: UInt64, symbol: String)] = []
    var objects: [(address: UInt64, size: UInt64, symbol: String)] = []
    for symbol in symbols where symbol.isDefined && !symbol.name.isEmpty {
      switch symbol.kind {
      case .function, .indirectFunction:
        functions.append(Function(address: symbol.address, size: symbol.size, symbol: symbol.name))
      case .noType where symbol.name.first != "$" || symbol.name.utf8.count > 3:
        // `$x`, `$d` mark code and data on AArch64.
        if isCode(symbol.address) && symbol.size > 0 {
          // Entry code in assembly; what has a size is no mere label.
          functions.append(
            Function(address: symbol.address, size: symbol.size, symbol: symbol.name))
        } else if isCode(symbol.address) {
          labels.append((symbol.address, symbol.name))
        } else {
          objects.append((symbol.address, symbol.size, symbol.name))
        }
      case .object: objects.append((symbol.address, symbol.size, symbol.name))
      default: break
      }
    }
    functions.sort { ($0.address, $1.size) < ($1.address, $0.size) }
    var unique: [Function] = []
    for function in functions {
      if unique.last?.address == function.address {
        unique[unique.count - 1].aliases.append(function.symbol)
      } else {
        unique.append(function)
      }
    }
    self.functions = unique
    indices = Dictionary(uniqueKeysWithValues: unique.enumerated().map { ($1.address, $0) })
    self.labels = labels.sorted { $0.address < $1.address }
    self.objects = objects.sorted { $0.address < $1.address }
    hasSwift = unique.contains { $0.symbol.hasPrefix("$s") || $0.symbol.hasPrefix("$e") }
  }

  /// The function that starts at an address.
  func function(startingAt address: UInt64) -> Function? {
    indices[address].map { functions[$0] }
  }

  func isStart(_ address: UInt64) -> Bool { indices[address] != nil }

  /// Whether the function that starts at an address was written in Swift.
  func isSwift(_ address: UInt64) -> Bool {
    guard hasSwift else { return false }
    guard let symbol = function(startingAt: address)?.symbol else { return true }
    return symbol.hasPrefix("$s") || symbol.hasPrefix("$e")
  }

  /// The function that an address lies in.
  func function(holding address: UInt64) -> Function? {
    let index = Self.lastIndex(functions, notAbove: address, \.address)
    guard let index else { return nil }
    let function = functions[index]
    guard function.size == 0 || address - function.address < function.size else { return nil }
    return function
  }

  /// The nearest name in front of an address in code: a function that holds it, or a label.
  func name(at address: UInt64) -> (symbol: String, start: UInt64)? {
    if let function = function(holding: address), function.size > 0 {
      return (function.symbol, function.address)
    }
    let label = Self.lastIndex(labels, notAbove: address, \.address).map { labels[$0] }
    let function = function(holding: address)
    if let label, label.address > function?.address ?? 0 { return (label.symbol, label.address) }
    if let function { return (function.symbol, function.address) }
    return nil
  }

  /// The symbol of what starts at an address: a function, or else an object or label.
  func symbol(startingAt address: UInt64) -> String? {
    if let function = function(startingAt: address) { return function.symbol }
    for list in [labels, objects.map { ($0.address, $0.symbol) }] {
      if let index = Self.lastIndex(list, notAbove: address, \.0), list[index].0 == address {
        return list[index].1
      }
    }
    return nil
  }

  /// Whether an object starts at an address.
  func isObject(_ address: UInt64) -> Bool { objectSize(at: address) != nil }

  /// The size of the object that starts at an address.
  func objectSize(at address: UInt64) -> UInt64? {
    guard let index = Self.lastIndex(objects, notAbove: address, \.address),
      objects[index].address == address
    else { return nil }
    return objects[index].size
  }

  /// The object that an address lies in, as `name` or `name+12`.
  func objectName(holding address: UInt64) -> String? {
    guard let index = Self.lastIndex(objects, notAbove: address, \.address) else { return nil }
    let object = objects[index]
    let offset = address - object.address
    guard offset == 0 || offset < object.size else { return nil }
    return offset == 0 ? object.symbol : "\(object.symbol)+\(offset)"
  }

  /// Where a name stands: functions first, then labels and objects.
  func addresses(named name: String) -> [UInt64] {
    let starts = functions.filter { $0.symbol == name || $0.aliases.contains(name) }.map(\.address)
    if !starts.isEmpty { return starts }
    return labels.filter { $0.symbol == name }.map(\.address)
      + objects.filter { $0.symbol == name }.map(\.address)
  }

  /// All names with their addresses, for the globs of a policy.
  func forEachName(_ body: (String, UInt64) -> Void) {
    for function in functions {
      body(function.symbol, function.address)
      for alias in function.aliases { body(alias, function.address) }
    }
    for label in labels { body(label.symbol, label.address) }
    for object in objects { body(object.symbol, object.address) }
  }

  /// The index of the last element whose address is not above the given one.
  private static func lastIndex<Element>(
    _ elements: [Element], notAbove address: UInt64, _ key: (Element) -> UInt64
  ) -> Int? {
    var low = 0
    var high = elements.count
    while low < high {
      let middle = (low + high) / 2
      if key(elements[middle]) <= address { low = middle + 1 } else { high = middle }
    }
    return low > 0 ? low - 1 : nil
  }
}
