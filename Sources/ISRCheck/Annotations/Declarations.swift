import ELF

/// All that is declared about an image: in its own table, in policy files, and by flags.
struct Declarations {
  private(set) var annotations: [Annotation] = []
  /// Lines of policies that are about nothing in this image, in words.
  private(set) var unmatched: [String] = []

  init(_ image: CodeImage, _ options: CheckOptions) throws(CheckFailure) {
    if let section = image.file.section(named: AnnotationTable.section) {
      do {
        let table = try image.bytes(of: section).withUnsafeBytes {
          bytes throws(AnnotationTableError) in
          try AnnotationTable(
            bytes: bytes, at: section.address, string: image.string(at:), symbol: image.symbol(at:))
        }
        annotations = table.annotations
      } catch {
        throw .notAnalysable("\(image.file.path): \(error)")
      }
    }
    var symbols: [(name: String, address: UInt64)] = []
    if !options.policies.isEmpty { image.functions.forEachName { symbols.append(($0, $1)) } }
    for path in options.policies {
      do {
        let policy = try PolicyFile(path: path)
        let match = policy.annotations(for: symbols, readableName: SymbolName.readable)
        annotations += match.annotations
        unmatched += match.unmatched.map { "\(path):\($0.line): no symbol is \($0.glob.pattern)" }
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
            function: function, kind: .root(level: 0, vector: nil),
            origin: .option("--root \(name)")))
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

extension CodeImage {
  /// The bytes of a section after a dynamic loader has filled in addresses.
  fileprivate func bytes(of section: ELFFile.Section) -> [UInt8] {
    var bytes = file.withBytes(of: section) { Array($0) }
    for offset in stride(from: 0, to: bytes.count - bytes.count % 8, by: 8) {
      guard let word = initialNumber(at: section.address &+ UInt64(offset), size: 8) else {
        continue
      }
      withUnsafeBytes(of: word.littleEndian) {
        bytes.replaceSubrange(offset..<offset + 8, with: $0)
      }
    }
    return bytes
  }

  /// The name of the function or object that starts at an address.
  fileprivate func symbol(at address: UInt64) -> (name: String, readableName: String)? {
    let function = functions.function(startingAt: address)?.symbol
    let object =
      functions.objectSize(at: address) == nil
      ? nil : functions.objectName(holding: address)
    return (function ?? object).map { ($0, SymbolName.readable($0)) }
  }
}
