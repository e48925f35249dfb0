import ELF

/// All that is declared about an image: in its own table, in policy files, and by flags.
struct Declarations {
  private(set) var annotations: [Annotation] = []
  /// Lines of policies that are about nothing in this image, in words.
  private(set) var unmatched: [String] = []

  init(_ image: CodeImage, _ options: CheckOptions) throws(CheckFailure) {
    if let section = image.file.section(named: AnnotationTable.section) {
      do {
        let table = try image.file.withBytes(of: section) { bytes throws(AnnotationTableError) in
          try AnnotationTable(bytes, string: image.string(at:))
        }
        annotations = table.annotations
      } catch {
        throw .notAnalysable("\(image.file.path), section \(AnnotationTable.section): \(error)")
      }
    }
    var symbols: [(name: String, address: UInt64)] = []
    if !options.policies.isEmpty { image.functions.forEachName { symbols.append(($0, $1)) } }
    for path in options.policies {
      do {
        let policy = try PolicyFile(path: path)
        let applied = policy.annotations(for: symbols)
        annotations += applied.annotations
        unmatched += applied.unmatched
      } catch { throw .notAnalysable(error.description) }
    }
    for name in options.roots {
      for function in try functions(named: name, in: image) {
        let isDeclared = annotations.contains {
          guard case .root = $0.kind else { return false }
          return $0.function == function
        }
        guard !isDeclared else { continue }
        annotations.append(
          Annotation(
            function: function, kind: .root(level: 0, vector: nil), origin: .option("--root \(name)")))
      }
    }
  }

  /// The functions with a name, as a symbol or as people read it.
  func functions(named name: String, in image: CodeImage) throws(CheckFailure) -> [UInt64] {
    var found = image.functions.addresses(named: name).filter(image.isCode)
    if found.isEmpty {
      found = image.functions.functions.filter { SymbolName.readable($0.symbol) == name }
        .map(\.address)
    }
    guard !found.isEmpty else {
      let hint =
        image.functions.functions.isEmpty ? "the image has no symbols" : "there is no such function"
      throw .notAnalysable("\(image.file.path): \(name) cannot be found: \(hint)")
    }
    return found
  }
}
