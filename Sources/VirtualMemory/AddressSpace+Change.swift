import Machine

/// What a program means to do with a range.
public enum RangeAdvice: Sendable {
  /// It will be accessed soon: as many of its pages as there is memory for are got now.
  case willNeed
  /// Its contents are not needed any more: as `discard`.
  case doNotNeed
  /// Pages of 2 MiB are used as long as there are any, for what has not been accessed yet.
  case largePages
  /// Only pages of 4 KiB are used for what has not been accessed yet.
  case smallPages
}

/// Changes of what is mapped.
extension AddressSpace {
  /// Gives all that is mapped in a range other permissions. When it returns, no CPU does what they
  /// forbid.
  public func protect(
    at start: UInt64, byteCount: UInt64, _ permissions: PagePermissions,
    allowsWriteAndExecute: Bool = false
  ) throws(AddressSpaceError) {
    let end = try check(start, byteCount)
    try checkPermissions(permissions, allowsWriteAndExecute)
    try perform(RangeChange(.protect(permissions)), from: start, to: end)
  }

  /// Frees the pages of a range; what is accessed again is zero. The addresses stay taken.
  public func discard(at start: UInt64, byteCount: UInt64) throws(AddressSpaceError) {
    let end = try check(start, byteCount)
    try perform(RangeChange(.drop), from: start, to: end)
  }

  /// Tells what the program means to do with a range, which changes nothing that it can see but time
  /// and memory, and the contents that it does not need.
  public func advise(
    at start: UInt64, byteCount: UInt64, _ advice: RangeAdvice
  ) throws(AddressSpaceError) {
    let end = try check(start, byteCount)
    switch advice {
    case .willNeed: try populateWhatFits(from: start, to: end)
    case .doNotNeed: try perform(RangeChange(.drop), from: start, to: end)
    case .largePages: try perform(RangeChange(.preferLargePages(true)), from: start, to: end)
    case .smallPages: try perform(RangeChange(.preferLargePages(false)), from: start, to: end)
    }
  }

  /// Gets pages table by table, from the start on, until there is no memory.
  private func populateWhatFits(from start: UInt64, to end: UInt64) throws(AddressSpaceError) {
    let span = PageTableFormat.span(level: 1)
    var position = start
    while position < end {
      let next = Swift.min((position | (span &- 1)) &+ 1, end)
      do throws(AddressSpaceError) {
        try populate(from: position, to: next)
      } catch {
        if error == .outOfMemory { return }
        throw error
      }
      position = next
    }
  }
}
