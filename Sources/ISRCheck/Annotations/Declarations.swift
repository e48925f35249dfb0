import ELF

/// All that is declared about an image: in its own table, in policy files, and by flags.
struct Declarations {
  private(set) var annotations: [Annotation] = []
  /// Lines of policies that are about nothing in this image, in words.
  private(set) var unmatched: [String] = []

  init(_ image: CodeImage, _ options: CheckOptions) throws(CheckFailure) {
    if let section = image.file.section(named: AnnotationTable.section) {
      annotations = try Self.table(in: section, of: image)
    }
    var symbols: [(name: String, address: UInt64)] = []
    if !options.policies.isEmpty { image.functions.forEachName { symbols.append(($0, $1)) } }
    for path in options.policies {
      do throws(PolicyFileError) {
        let match = try PolicyFile(path: path).annotations(
          for: symbols, readableName: SymbolName.readable)
        annotations += match.annotations
        unmatched += match.unmatched.filter(\.isMissed).map {
          "\(path):\($0.line) is about nothing in this image"
        }
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

  private static func table(
    in section: ELFFile.Section, of image: CodeImage
  ) throws(CheckFailure) -> [Annotation] {
    let result = image.bytes(of: section).withUnsafeBytes {
      bytes -> Result<[Annotation], AnnotationTableError> in
      do throws(AnnotationTableError) {
        let table = try AnnotationTable(
          bytes: bytes, at: section.address, string: image.string(at:),
          symbol: { address in
            image.functions.symbol(startingAt: address).map { ($0, SymbolName.readable($0)) }
          })
        return .success(table.annotations)
      } catch { return .failure(error) }
    }
    switch result {
    case .success(let annotations): return annotations
    case .failure(let error): throw .notAnalysable("\(image.file.path): \(error)")
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
}

extension PolicyFile.Declaration {
  /// Whether it matters that the declaration is about nothing: what is denied, or permitted, need not be
  /// there.
  fileprivate var isMissed: Bool {
    switch kind {
    case .denied, .permitted: false
    default: true
    }
  }
}
