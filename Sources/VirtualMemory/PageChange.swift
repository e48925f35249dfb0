import Machine

/// What an operation does to the entries of the lowest level: a type for each kind of change, so that each
/// has a loop of its own, of some ten instructions for a page.
protocol PageChange {
  /// What becomes of what is unmapped, if it changes.
  var unmapped: PageTableEntry? { get }
  /// Whether what was present is not empty afterwards.
  var keepsPresent: Bool { get }
  /// Whether pages go: their entries are changing until no CPU remembers them.
  var endsPages: Bool { get }
  /// Whether some page of those that were changed led to more than now.
  func isLess(than pages: PageTableEntrySummary) -> Bool
  /// What a present page becomes.
  func present(_ entry: PageTableEntry) -> PageTableEntry
  /// What any other entry becomes.
  func other(_ entry: PageTableEntry) -> PageTableEntry
}

extension PageChange {
  @inline(__always)
  func isLess(than pages: PageTableEntrySummary) -> Bool { pages.hasPages }

  var endsPages: Bool { true }
}

/// A promise in place of what is there.
struct PromisePages: PageChange {
  let promise: PageTableEntry
  var unmapped: PageTableEntry? { promise }
  var keepsPresent: Bool { true }

  @inline(__always)
  init(_ promise: PageTableEntry) { self.promise = RangeChange.promise(promise, level: 0) }

  @inline(__always)
  func present(_ entry: PageTableEntry) -> PageTableEntry { entry.changing(to: promise) }

  @inline(__always)
  func other(_ entry: PageTableEntry) -> PageTableEntry {
    RangeChange.replace(entry, by: promise)
  }
}

/// Nothing in place of what is there.
struct UnmapPages: PageChange {
  var unmapped: PageTableEntry? { nil }
  var keepsPresent: Bool { false }

  @inline(__always)
  func present(_ entry: PageTableEntry) -> PageTableEntry { entry.vanishing }

  @inline(__always)
  func other(_ entry: PageTableEntry) -> PageTableEntry { RangeChange.unmap(entry) }
}

/// The same with other permissions.
struct ProtectPages: PageChange {
  let permissions: PagePermissions
  private let bits: PageTableEntry.PermissionBits
  private let isInaccessible: Bool
  var endsPages: Bool { false }
  var unmapped: PageTableEntry? { nil }
  var keepsPresent: Bool { true }

  @inline(__always)
  init(_ permissions: PagePermissions) {
    self.permissions = permissions
    bits = PageTableEntry.PermissionBits(permissions)
    isInaccessible = permissions.contains(.inaccessible)
  }

  @inline(__always)
  func isLess(than pages: PageTableEntrySummary) -> Bool {
    isInaccessible ? pages.hasPages : pages.exceeds(bits)
  }

  @inline(__always)
  func present(_ entry: PageTableEntry) -> PageTableEntry {
    isInaccessible || entry.isCopiedOnWrite
      ? entry.allowing(permissions, level: 0) : entry.with(bits)
  }

  @inline(__always)
  func other(_ entry: PageTableEntry) -> PageTableEntry { entry.allowing(permissions, level: 0) }
}

/// Promises in place of pages.
struct DropPages: PageChange {
  var unmapped: PageTableEntry? { nil }
  var keepsPresent: Bool { true }

  @inline(__always)
  func present(_ entry: PageTableEntry) -> PageTableEntry { RangeChange.drop(entry, level: 0) }

  @inline(__always)
  func other(_ entry: PageTableEntry) -> PageTableEntry { RangeChange.drop(entry, level: 0) }
}
