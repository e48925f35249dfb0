extension PolicyFile {
  /// What a policy file declares about an image.
  public struct Match: Equatable, Sendable {
    /// In the order of the lines; for one line in the order of the symbols.
    public var annotations: [Annotation]
    /// Lines that are about nothing in the image.
    public var unmatched: [Declaration]
  }

  /// Applies the declarations to the symbols of an image.
  ///
  /// Readable names are only asked for when a glob needs them: for symbols of Swift, if there is a
  /// pattern or a name that is no symbol.
  ///
  /// - Parameter readableName: gives the readable name of a symbol.
  public func annotations(
    for symbols: [(name: String, address: UInt64)], readableName: (String) -> String
  ) -> Match {
    var match = Match(annotations: [], unmatched: [])
    let exact = rowsByName(symbols)
    let isAllExact = declarations.allSatisfy { declaration in
      declaration.glob.onlyName.map { exact[$0]?.isEmpty == false } ?? false
    }
    let hasPatterns = declarations.contains { $0.glob.onlyName == nil }
    let names = NameList(hasPatterns ? symbols.map(\.name) : [])
    var readable = NameList([])
    var readableRows: [Int] = []
    if !isAllExact {
      readableRows = symbols.indices.filter { Self.isSwift(symbols[$0].name) }
      readable = NameList(readableRows.map { readableName(symbols[$0].name) })
    }
    for declaration in declarations {
      var rows: [Int]
      if let name = declaration.glob.onlyName {
        rows = exact[name] ?? []
      } else {
        rows = names.rows(matching: declaration.glob)
      }
      if rows.isEmpty || declaration.glob.onlyName == nil {
        rows += readable.rows(matching: declaration.glob).map { readableRows[$0] }
        rows.sort()
      }
      if rows.isEmpty { match.unmatched.append(declaration) }
      var addresses: Set<UInt64> = []
      for row in rows where addresses.insert(symbols[row].address).inserted {
        match.annotations.append(
          Annotation(
            function: symbols[row].address, kind: declaration.kind,
            origin: .policy(path: path, line: declaration.line)))
      }
    }
    return match
  }

  /// The symbols that the globs without a pattern name.
  private func rowsByName(_ symbols: [(name: String, address: UInt64)]) -> [String: [Int]] {
    var rows: [String: [Int]] = [:]
    for declaration in declarations {
      if let name = declaration.glob.onlyName { rows[name] = [] }
    }
    guard !rows.isEmpty else { return rows }
    for (row, symbol) in symbols.enumerated() {
      if let index = rows.index(forKey: symbol.name) { rows.values[index].append(row) }
    }
    return rows
  }

  /// Whether a symbol is mangled by Swift; `$e` is that of Embedded Swift.
  private static func isSwift(_ symbol: String) -> Bool {
    symbol.hasPrefix("$s") || symbol.hasPrefix("$e")
  }
}
