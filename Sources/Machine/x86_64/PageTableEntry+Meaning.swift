#if arch(x86_64)
/// What the address space notes in entries, where the processor does not look: in an entry that
/// leads nowhere it looks at bit 0 alone, in one that leads somewhere not at bits 9 to 11 and 52 to
/// 62 (volume 3, 4.5.4; at 59 to 62 only with protection keys, which are off).
///
///     bit  1...3    of an entry that leads nowhere: its kind
///     bit  4...7    of the same: the permissions
///     bit  8        of the same: there is a frame, or a table, in the address bits
///     bit  9        what is to become of a changing entry: reserved, or else nothing;
///                   of a page: it is copied before it is written
///     bit  10       a changing entry led to a table; a page that is copied may be written
///     bit  11       the page is not the address space's own
///     bit  12...20  of a promise above level 0: its first part, see `reserved(from:through:)`
///     bit  21...29  of the same: how many parts behind the last one are not promised
///     bit  52...62  the area's number
///     bit  63       of a promise, also of one that is to come: filled with large pages if there are any
extension PageTableEntry {
  /// What an entry that leads nowhere means.
  private enum Kind: UInt64 {
    case unmapped = 0
    /// Memory is promised: the first access gets it.
    case reserved = 1
    /// A range operation is about it, and what it led to may still be remembered by some CPU.
    case changing = 2
    /// The table that it is in was removed.
    case detached = 3
    /// Nobody may touch the page, but its contents are kept.
    case withheld = 4
  }

  private static let kindMask: UInt64 = 0b1111
  private static let hasAddress: UInt64 = 1 << 8
  private static let becomesReserved: UInt64 = 1 << 9
  private static let table: UInt64 = 1 << 10
  private static let foreign: UInt64 = 1 << 11
  private static let copied: UInt64 = 1 << 9
  private static let copyWritable: UInt64 = 1 << 10
  private static let areaShift: UInt64 = 52
  private static let areaMask: UInt64 = 2047 << 52
  private static let largePages: UInt64 = 1 << 63
  private static let allowedShift: UInt64 = 4
  private static let allowedMask: UInt64 = 15 << 4
  private static let firstPartShift: UInt64 = 12
  private static let omittedPartsShift: UInt64 = 21
  private static let partMask: UInt64 = 511
  private static let partsMask: UInt64 = 511 << 12 | 511 << 21

  private init(_ kind: Kind, _ rest: UInt64) { rawValue = kind.rawValue << 1 | rest }

  @inline(__always)
  private func isKind(_ kind: Kind) -> Bool { rawValue & Self.kindMask == kind.rawValue << 1 }

  /// A mark of a removed table that carries a number below 2^40.
  @inline(__always)
  public init(detachedWithNumber number: UInt64) { self.init(.detached, number << 12) }

  /// The number that a mark carries.
  @inline(__always)
  public var detachedNumber: UInt64 { address >> 12 }

  /// Memory is promised here, for an area, with these permissions. Whole large pages are used for it
  /// where there are any, if they are preferred.
  @inline(__always)
  public init(
    reserved permissions: PagePermissions, area: Int, prefersLargePages: Bool = false
  ) {
    self.init(
      .reserved,
      UInt64(permissions.rawValue) << Self.allowedShift
        | UInt64(truncatingIfNeeded: area) << Self.areaShift
        | (prefersLargePages ? Self.largePages : 0))
  }

  /// The table that it is in was removed: whoever comes by starts again from the root.
  public static let detached = PageTableEntry(.detached, 0)

  /// Whether nothing is here, not even a promise.
  @inline(__always)
  public var isUnmapped: Bool { rawValue == 0 }
  /// Whether memory is promised that nobody has touched yet.
  @inline(__always)
  public var isReserved: Bool { isKind(.reserved) }
  /// Whether a range operation has not ended yet that changes it.
  @inline(__always)
  public var isChanging: Bool { isKind(.changing) }
  /// Whether the table that it is in was removed.
  @inline(__always)
  public var isDetached: Bool { isKind(.detached) }
  /// Whether it keeps a page that nobody may touch.
  @inline(__always)
  public var isWithheld: Bool { isKind(.withheld) }
  /// Whether a page or a table is in its address bits.
  @inline(__always)
  public var hasFrame: Bool { isPresent || rawValue & Self.hasAddress != 0 }

  /// The number of the area that a page, or a promise, belongs to.
  @inline(__always)
  public var area: Int { Int(truncatingIfNeeded: (rawValue & Self.areaMask) >> Self.areaShift) }

  /// Whether the page is memory of a device, or somebody else's, that is not freed when it goes.
  @inline(__always)
  public var isForeign: Bool { rawValue & Self.foreign != 0 }

  /// Whether somebody else may have the page, too: a write gets a copy, and the processor may not write
  /// whatever is allowed.
  @inline(__always)
  public var isCopiedOnWrite: Bool {
    rawValue & Self.copied != 0 && (isPresent || isWithheld)
  }

  /// The permissions of an entry that is no table's: of a page, or of a promise.
  @inline(__always)
  public var allowed: PagePermissions {
    if isPresent {
      return rawValue & Self.copyWritable != 0 ? permissions.union(.write) : permissions
    }
    return PagePermissions(rawValue: UInt8(truncatingIfNeeded: rawValue >> Self.allowedShift & 15))
  }

  /// The page `frame`, for an area, with these permissions: an entry of the same meaning that keeps
  /// the page when it is inaccessible.
  @inline(__always)
  public init(
    page frame: UInt64, _ permissions: PagePermissions, level: Int, area: Int, isForeign: Bool,
    isCopiedOnWrite: Bool = false
  ) {
    let rest =
      UInt64(truncatingIfNeeded: area) << Self.areaShift | (isForeign ? Self.foreign : 0)
      | (isCopiedOnWrite ? Self.copied : 0)
    if permissions.contains(.inaccessible) {
      self.init(
        .withheld,
        frame | rest | Self.hasAddress | UInt64(permissions.rawValue) << Self.allowedShift)
    } else if isCopiedOnWrite {
      self.init(page: frame, permissions.subtracting(.write), level: level)
      rawValue |= rest | (permissions.contains(.write) ? Self.copyWritable : 0)
    } else {
      self.init(page: frame, permissions, level: level)
      rawValue |= rest
    }
  }

  /// The entry while an operation takes away the page or table that it leads to; afterwards it is what
  /// `next` says, nothing or a promise.
  @inline(__always)
  public func changing(to next: PageTableEntry, isTable: Bool = false) -> PageTableEntry {
    PageTableEntry(
      .changing,
      next.rawValue & (Self.areaMask | Self.allowedMask | Self.largePages)
        | rawValue & Self.foreign
        | (hasFrame ? address | Self.hasAddress : 0)
        | (next.isReserved ? Self.becomesReserved : 0) | (isTable ? Self.table : 0))
  }

  /// A present page while it is taken away, after which nothing is there: the same as
  /// `changing(to: .empty)`.
  @inline(__always)
  public var vanishing: PageTableEntry {
    PageTableEntry(
      .changing, rawValue & (Self.addressMask | Self.foreign) | Self.hasAddress)
  }

  /// Whether a page of the address space's own, or a table, is taken away, after which nothing is there.
  @inline(__always)
  public var isVanishing: Bool {
    rawValue & (Self.kindMask | Self.becomesReserved | Self.foreign | Self.hasAddress)
      == Kind.changing.rawValue << 1 | Self.hasAddress
  }

  /// Whether a promise may be filled: somebody may access it. Of other entries false.
  @inline(__always)
  public var isAccessiblePromise: Bool {
    rawValue & (Self.kindMask | UInt64(PagePermissions.inaccessible.rawValue) << Self.allowedShift)
      == Kind.reserved.rawValue << 1
  }

  /// Whether a changing entry is to be a promise.
  @inline(__always)
  public var becomesReserved: Bool { rawValue & Self.becomesReserved != 0 }

  /// Whether a changing entry led to a table.
  @inline(__always)
  public var wasTable: Bool { rawValue & Self.table != 0 }

  /// What a changing entry is when its operation has ended.
  @inline(__always)
  public var changed: PageTableEntry {
    rawValue & Self.becomesReserved != 0
      ? PageTableEntry(reserved: allowed, area: area, prefersLargePages: prefersLargePages) : .empty
  }

  /// The same page or promise with other permissions.
  @inline(__always)
  public func allowing(_ permissions: PagePermissions, level: Int) -> PageTableEntry {
    if isPresent && rawValue & Self.copied == 0 && !permissions.contains(.inaccessible) {
      return with(PermissionBits(permissions))
    }
    if hasFrame {
      return PageTableEntry(
        page: address, permissions, level: level, area: area, isForeign: isForeign,
        isCopiedOnWrite: isCopiedOnWrite)
    }
    return PageTableEntry(
      rawValue: rawValue & ~Self.allowedMask | UInt64(permissions.rawValue) << Self.allowedShift)
  }
}

/// Promises for a part. A promise above level 0 may be for some of the entries only that a table
/// below it would have: so a small range needs no table until the first access to it.
extension PageTableEntry {
  /// The first entry of the table that would be below a promise which is promised.
  @inline(__always)
  public var firstReserved: Int {
    Int(truncatingIfNeeded: rawValue >> Self.firstPartShift & Self.partMask)
  }

  /// The last one.
  @inline(__always)
  public var lastReserved: Int {
    Int(truncatingIfNeeded: rawValue >> Self.omittedPartsShift & Self.partMask) ^ 511
  }

  /// Whether a promise is for all that the entry covers.
  @inline(__always)
  public var isWhollyReserved: Bool { rawValue & Self.partsMask == 0 }

  /// The same promise for all that the entry covers.
  @inline(__always)
  public var whollyReserved: PageTableEntry {
    PageTableEntry(rawValue: rawValue & ~Self.partsMask)
  }

  /// The same promise for the entries `first` to `last` of the table that would be below it.
  @inline(__always)
  public func reserved(from first: Int, through last: Int) -> PageTableEntry {
    PageTableEntry(
      rawValue: rawValue & ~Self.partsMask
        | UInt64(truncatingIfNeeded: first) << Self.firstPartShift
        | UInt64(truncatingIfNeeded: last ^ 511) << Self.omittedPartsShift)
  }

  /// Whether a promise, also one that is to come, is filled with large pages where there are any.
  @inline(__always)
  public var prefersLargePages: Bool { !isPresent && rawValue & Self.largePages != 0 }

  /// The same promise with or without a preference for large pages.
  @inline(__always)
  public func preferringLargePages(_ prefersLargePages: Bool) -> PageTableEntry {
    PageTableEntry(
      rawValue: rawValue & ~Self.largePages | (prefersLargePages ? Self.largePages : 0))
  }

  /// What entry `index` of a table one level down says that is put in place of this one at `level`,
  /// which leads to no table: a part of the promise, or of the page.
  @inline(__always)
  public func part(_ index: Int, level: Int) -> PageTableEntry {
    if hasFrame {
      return PageTableEntry(
        page: address &+ UInt64(index) &* PageTableFormat.span(level: level - 1), allowed,
        level: level - 1, area: area, isForeign: isForeign, isCopiedOnWrite: isCopiedOnWrite)
    }
    guard isReserved else { return self }
    guard index >= firstReserved && index <= lastReserved else { return .empty }
    return level == 1 ? whollyReserved.preferringLargePages(false) : whollyReserved
  }
}
#endif
