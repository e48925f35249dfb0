import CExploration
import ELF

/// Names of functions of this process, by its own symbols.
struct CodeNames {
  private static let symbols: SymbolTable? =
    (try? ELFFile(path: "/proc/self/exe").symbols()).map { SymbolTable($0) }

  private let base = UInt(apus_image_base())
  /// `nil` for functions that are not worth a word: the same few come again and again.
  private var known: [UInt: String?] = [:]

  /// The function of the kernel or the scenario among return addresses, nearest first, that does the
  /// operation, and the one that called it.
  mutating func name(of addresses: [UInt]) -> String? {
    var names: [String] = []
    for address in addresses {
      guard let name = name(of: address), names.last != name else { continue }
      names.append(name)
      if names.count == 2 { break }
    }
    return names.isEmpty ? nil : names.joined(separator: " < ")
  }

  private mutating func name(of address: UInt) -> String? {
    if let name = known[address] { return name }
    let name = lookUp(address)
    known[address] = .some(name)
    return name
  }

  private func lookUp(_ address: UInt) -> String? {
    guard
      let name = Self.symbols?.function(at: UInt64(address - base), isReturnAddress: true)?.name,
      !Self.uninteresting.contains(where: { name.contains($0) })
    else { return nil }
    // Without the module.
    return name.split(separator: ".", maxSplits: 1).last.map(String.init) ?? name
  }

  /// Parts of names of the explorer's own functions, and of those that only pass on.
  private static let uninteresting = ["Exploration.", "Machine.", "apus_", "thunk"]
}
