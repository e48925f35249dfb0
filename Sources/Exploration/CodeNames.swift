import CExploration
import ELF

/// Names of functions of this process, by its own symbols.
final class CodeNames: Sendable {
  static let shared = CodeNames()

  private let symbols: SymbolTable?
  private let base: UInt

  private init() {
    let own = try? ELFFile(path: "/proc/self/exe").symbols()
    symbols = own.map { SymbolTable($0) }
    base = UInt(apus_image_base())
  }

  /// The function of the kernel or the scenario among return addresses, nearest first, that does the
  /// operation, and the one that called it.
  func name(of addresses: [UInt]) -> String? {
    guard let symbols else { return nil }
    var names: [String] = []
    for address in addresses {
      guard let function = symbols.function(at: UInt64(address - base), isReturnAddress: true)
      else { continue }
      let name = function.name
      if Self.uninteresting.contains(where: { name.contains($0) }) { continue }
      let short = name.split(separator: ".", maxSplits: 1).last.map(String.init) ?? name
      if names.last != short { names.append(short) }
      if names.count == 2 { break }
    }
    return names.isEmpty ? nil : names.joined(separator: " < ")
  }

  /// Parts of names of the explorer's own functions, and of those that only pass on.
  private static let uninteresting = [
    "Exploration.", "Machine.", "apus_", "thunk", "ExplorationPoint",
  ]
}
