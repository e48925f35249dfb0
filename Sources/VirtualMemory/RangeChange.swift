import Machine

/// What a range operation does to each entry of its range.
struct RangeChange {
  enum Kind {
    /// What is unmapped becomes a promise of memory. Nothing may be mapped in the range before.
    case reserve(PageTableEntry)
    /// Whatever is there becomes a promise of new memory.
    case replace(PageTableEntry)
    /// All becomes unmapped.
    case unmap
    /// What is mapped gets other permissions.
    case protect(PagePermissions)
    /// What is promised is filled with large pages from now on, or is not.
    case preferLargePages(Bool)
    /// Pages go, promises stay.
    case drop
    /// Empty tables are taken out.
    case trim
  }

  let kind: Kind

  @inline(__always)
  init(_ kind: Kind) { self.kind = kind }

  /// What is promised, if anything.
  @inline(__always)
  var promise: PageTableEntry? {
    switch kind {
    case .reserve(let promise), .replace(let promise): promise
    case .unmap, .protect, .preferLargePages, .drop, .trim: nil
    }
  }

  /// Whether nothing may be mapped in the range before.
  @inline(__always)
  var refusesOccupied: Bool {
    if case .reserve = kind { true } else { false }
  }

  /// The permissions that are left where pages stay but allow less; `nil` where what CPUs have of them
  /// goes.
  @inline(__always)
  var keptPermissions: PagePermissions? {
    if case .protect(let permissions) = kind, !permissions.contains(.inaccessible) {
      permissions
    } else {
      nil
    }
  }

  // MARK: Whole entries

  /// What an entry becomes that leads to no table and lies in the range as a whole.
  @inline(__always)
  func apply(to entry: PageTableEntry, level: Int) -> PageTableEntry {
    switch kind {
    case .reserve(let promise): Self.promise(promise, level: level)
    case .replace(let promise): Self.replace(entry, by: Self.promise(promise, level: level))
    case .unmap: Self.unmap(entry)
    case .protect(let permissions): Self.protect(entry, permissions, level: level)
    case .preferLargePages(let isPreferred): Self.prefer(isPreferred, entry, level: level)
    case .drop: Self.drop(entry, level: level)
    case .trim: entry
    }
  }

  /// A promise as an entry of a level says it.
  @inline(__always)
  static func promise(_ promise: PageTableEntry, level: Int) -> PageTableEntry {
    level == 0 ? promise.preferringLargePages(false) : promise
  }

  @inline(__always)
  static func replace(_ entry: PageTableEntry, by promise: PageTableEntry) -> PageTableEntry {
    entry.hasFrame ? entry.changing(to: promise) : promise
  }

  @inline(__always)
  static func unmap(_ entry: PageTableEntry) -> PageTableEntry {
    entry.hasFrame ? entry.changing(to: .empty) : .empty
  }

  @inline(__always)
  static func protect(
    _ entry: PageTableEntry, _ permissions: PagePermissions, level: Int
  ) -> PageTableEntry {
    entry.isUnmapped ? entry : entry.allowing(permissions, level: level)
  }

  @inline(__always)
  static func prefer(
    _ isPreferred: Bool, _ entry: PageTableEntry, level: Int
  ) -> PageTableEntry {
    entry.isReserved && level > 0 ? entry.preferringLargePages(isPreferred) : entry
  }

  @inline(__always)
  static func drop(_ entry: PageTableEntry, level: Int) -> PageTableEntry {
    guard entry.hasFrame && !entry.isForeign else { return entry }
    return entry.changing(
      to: PageTableEntry(
        reserved: entry.allowed, area: entry.area, prefersLargePages: level > 0))
  }

  // MARK: Parts of entries

  /// What an entry above level 0 becomes that leads to no table and lies in the range in part; `nil` if
  /// one entry cannot say it, so that a table is needed.
  @inline(__always)
  func apply(to entry: PageTableEntry, _ part: RangePart) -> PageTableEntry? {
    if entry.isUnmapped {
      guard let promise else { return entry }
      return part.isAligned ? promise.reserved(from: part.first, through: part.last) : nil
    }
    return applyToMapped(entry, part)
  }

  @inline(never)
  private func applyToMapped(_ entry: PageTableEntry, _ part: RangePart) -> PageTableEntry? {
    guard entry.isReserved else { return applyToPage(entry, level: part.level) }
    let (first, last) = (entry.firstReserved, entry.lastReserved)
    let isApart = part.last < first || part.first > last
    // The promise ends at borders of its parts, so what is a part's only in part is not covered.
    let isCovered =
      part.first + (part.isAlignedAtStart ? 0 : 1) <= first
      && part.last - (part.isAlignedAtEnd ? 0 : 1) >= last
    switch kind {
    case .reserve(let promise):
      return part.isAligned && isApart ? Self.join(entry, promise, part) : nil
    case .replace(let promise):
      guard part.isAligned else { return nil }
      return isCovered
        ? promise.reserved(from: part.first, through: part.last)
        : Self.join(entry, promise, part)
    case .unmap:
      if isApart { return entry }
      if isCovered { return .empty }
      if part.first <= first && part.isAlignedAtEnd {
        return part.first < first || part.isAlignedAtStart
          ? entry.reserved(from: part.last + 1, through: last) : nil
      }
      if part.last >= last && part.isAlignedAtStart {
        return part.last > last || part.isAlignedAtEnd
          ? entry.reserved(from: first, through: part.first - 1) : nil
      }
      return nil
    case .protect(let permissions):
      if isApart || entry.allowed == permissions { return entry }
      return isCovered ? entry.allowing(permissions, level: part.level) : nil
    case .preferLargePages(let isPreferred):
      if isApart || entry.prefersLargePages == isPreferred { return entry }
      // A part of a large page's range is filled with small ones in any case.
      if part.level == 1 && isPreferred { return entry }
      return isCovered || part.level == 1 ? entry.preferringLargePages(isPreferred) : nil
    case .drop, .trim:
      return entry
    }
  }

  /// One promise that says both, if there is one.
  private static func join(
    _ entry: PageTableEntry, _ promise: PageTableEntry, _ part: RangePart
  ) -> PageTableEntry? {
    let (first, last) = (entry.firstReserved, entry.lastReserved)
    guard entry.whollyReserved == promise, part.first <= last + 1, part.last >= first - 1 else {
      return nil
    }
    return promise.reserved(
      from: Swift.min(first, part.first), through: Swift.max(last, part.last))
  }

  /// What a large page becomes of which a part is in the range.
  private func applyToPage(_ entry: PageTableEntry, level: Int) -> PageTableEntry? {
    switch kind {
    case .protect(let permissions): entry.allowed == permissions ? entry : nil
    case .drop: entry.isForeign ? entry : nil
    case .trim: entry
    case .preferLargePages(let isPreferred): isPreferred ? entry : nil
    case .reserve, .replace, .unmap: nil
    }
  }

  /// Where what is mapped in a part of an entry ends that leads to no table; `nil` if nothing is. The
  /// entry begins at `start`.
  @inline(__always)
  func obstacle(in entry: PageTableEntry, _ part: RangePart) -> UInt64? {
    entry.isUnmapped ? nil : mappedEnd(of: entry, part)
  }

  @inline(never)
  private func mappedEnd(of entry: PageTableEntry, _ part: RangePart) -> UInt64? {
    guard part.level > 0, entry.isReserved else { return part.entryStart &+ part.span }
    if part.last < entry.firstReserved || part.first > entry.lastReserved { return nil }
    return part.entryStart
      &+ UInt64(entry.lastReserved + 1) &* PageTableFormat.span(level: part.level - 1)
  }
}
