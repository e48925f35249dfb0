import ELF

/// Symbols as people read them.
enum SymbolName {
  /// The short readable name of a symbol; those of C stay as they are.
  static func readable(_ symbol: String) -> String { FunctionName.of(symbol: symbol) }
}
