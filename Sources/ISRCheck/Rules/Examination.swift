/// What the rules look at: everything that interrupts can reach, and the means to say where it is.
struct Examination {
  let image: CodeImage
  let exploration: Exploration
  let reaches: [Reach]
  /// By handler, the first call that registers it.
  let registrationSites: [UInt64: UInt64]
  let options: CheckOptions

  var annotations: AnnotationIndex { exploration.annotations }

  /// The severity of a rule's findings, or `nil` when they are not wanted.
  func severity(of rule: Rule) -> Severity? {
    let severity = options.severity(of: rule)
    return severity == .ignored ? nil : severity
  }

  /// A finding in a function that a root reaches; `nil` when the rule is not wanted.
  func finding(
    _ rule: Rule, _ message: String, at address: UInt64, in node: Int, of reach: Reach,
    notes: [String] = []
  ) -> Finding? {
    guard let severity = severity(of: rule) else { return nil }
    return Finding(
      rule: rule, severity: severity, message: message, root: reach.root.name,
      place: place(of: address, in: exploration.nodes[node].entry),
      chain: calls(to: node, of: reach),
      notes: notes + registrations(on: reach, to: node))
  }

  /// Where the handlers on the way to a function were registered.
  private func registrations(on reach: Reach, to node: Int) -> [String] {
    let links = reach.chain(to: node)
    return zip(links, links.dropFirst().map(\.caller) + [node]).compactMap { link, callee in
      let entry = exploration.nodes[callee].entry
      guard link.step == .registration, let site = registrationSites[entry] else { return nil }
      let place = place(of: site, in: site)
      return "\(name(of: entry)) is registered in \(place.function)+\(Self.hex(place.offset))"
    }
  }

  /// The calls by which a root reaches a function, outermost first.
  func calls(to node: Int, of reach: Reach) -> [Call] {
    let links = reach.chain(to: node)
    let callees = links.dropFirst().map(\.caller) + [node]
    return zip(links, callees).map { link, callee in
      Call(
        place: place(of: link.site, in: exploration.nodes[link.caller].entry),
        callee: name(of: exploration.nodes[callee].entry), step: link.step)
    }
  }

  /// A finding that is not about a root.
  func finding(
    _ rule: Rule, _ message: String, at address: UInt64, notes: [String] = []
  ) -> Finding? {
    guard let severity = severity(of: rule) else { return nil }
    return Finding(
      rule: rule, severity: severity, message: message, root: nil,
      place: place(of: address, in: address), notes: notes)
  }

  /// A place in code, for a message.
  func place(of address: UInt64, in entry: UInt64) -> Place {
    guard let (symbol, start) = image.functions.name(at: address) else {
      return Place(
        address: address, symbol: nil, function: Self.hex(entry), offset: address &- entry)
    }
    return Place(
      address: address, symbol: symbol, function: SymbolName.readable(symbol),
      offset: address &- start)
  }

  /// The readable name of the function at an address.
  func name(of entry: UInt64) -> String { Self.name(of: entry, image) }

  static func name(of entry: UInt64, _ image: CodeImage) -> String {
    guard let (symbol, start) = image.functions.name(at: entry) else { return hex(entry) }
    let name = SymbolName.readable(symbol)
    return start == entry ? name : "\(name)+\(hex(entry &- start))"
  }

  static func hex(_ address: UInt64) -> String { "0x" + String(address, radix: 16) }
}
