import Machine

/// Ranges of a kind of their own: with a name, or for a purpose.
extension AddressSpace {
  /// Promises memory of a kind at addresses that are free, as `map(byteCount:)` does; returns the first.
  public func map(
    byteCount: UInt64, alignment: UInt64 = 4096, hint: UInt64? = nil,
    _ permissions: PagePermissions, as kind: AreaKind, options: MapOptions = []
  ) throws(AddressSpaceError) -> UInt64 {
    try withNumber(of: kind) { number throws(AddressSpaceError) in
      try map(
        byteCount: byteCount, alignment: alignment, hint: hint, permissions, options: options,
        area: number)
    }
  }

  /// Promises memory of a kind at a place, as `map(at:)` does.
  public func map(
    at start: UInt64, byteCount: UInt64, _ permissions: PagePermissions, as kind: AreaKind,
    replacing: Bool = false, options: MapOptions = []
  ) throws(AddressSpaceError) {
    try withNumber(of: kind) { number throws(AddressSpaceError) in
      try map(
        at: start, byteCount: byteCount, permissions, replacing: replacing, options: options,
        area: number)
    }
  }

  /// Runs `body` with the number of a kind of areas, to write it into entries. Of the kind without a
  /// name it costs nothing, of others some 100 instructions and a lock. Outside of epoch sections.
  @inline(__always)
  func withNumber<Result>(
    of kind: AreaKind, _ body: (Int) throws(AddressSpaceError) -> Result
  ) throws(AddressSpaceError) -> Result {
    if kind == .anonymous { return try body(0) }
    let number = try areaKinds.pin(kind, of: frames) { collectAreaNumbers(&$0) }
    defer { areaKinds.unpin(number) }
    return try body(number)
  }
}
