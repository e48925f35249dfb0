import Machine

extension AddressSpace {
  /// Runs `body` with the number of a kind of areas, to write it into entries. Of the kind without a
  /// name it costs nothing, of others some 100 instructions and a lock. Outside of epoch sections.
  @inline(__always)
  func withNumber<Result>(
    of kind: AreaKind, _ body: (Int) throws(AddressSpaceError) -> Result
  ) throws(AddressSpaceError) -> Result {
    // One copy of the body.
    let number = kind.isAnonymous ? 0 : try pinNumber(of: kind)
    defer { if number != 0 { areaKinds.unpin(number) } }
    return try body(number)
  }

  @inline(never)
  private func pinNumber(of kind: AreaKind) throws(AddressSpaceError) -> Int {
    try areaKinds.pin(kind, of: frames) { collectAreaNumbers(&$0) }
  }
}
