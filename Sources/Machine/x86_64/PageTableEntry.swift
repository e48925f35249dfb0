#if arch(x86_64)
/// What a page may be used for.
public struct PagePermissions: OptionSet, Sendable {
  /// One bit each.
  public let rawValue: UInt8
  /// From bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The page may be written.
  public static let write = PagePermissions(rawValue: 1)
  /// The page holds code.
  public static let execute = PagePermissions(rawValue: 2)
  /// Device registers: no caching.
  public static let device = PagePermissions(rawValue: 4)
  /// Nobody may touch the page, whatever else is said.
  public static let inaccessible = PagePermissions(rawValue: 8)
}

/// One entry of a page table (volume 3, 4.5), pure arithmetic.
public struct PageTableEntry: Equatable, Sendable {
  /// The entry as the MMU reads it.
  public var rawValue: UInt64

  /// From what the MMU reads.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Leads nowhere.
  public static let empty = PageTableEntry(rawValue: 0)

  static let addressMask: UInt64 = 0x000F_FFFF_FFFF_F000
  fileprivate static let present: UInt64 = 1
  fileprivate static let writable: UInt64 = 1 << 1
  fileprivate static let uncached: UInt64 = 1 << 3 | 1 << 4
  // Set from the start, so that the MMU never has to write to the table for a kernel page.
  static let accessed: UInt64 = 1 << 5
  static let dirty: UInt64 = 1 << 6
  private static let large: UInt64 = 1 << 7
  fileprivate static let noExecute: UInt64 = 1 << 63

  /// An entry that leads to a table of the next level down.
  public init(table address: UInt64) {
    rawValue = address | Self.present | Self.writable | Self.accessed
  }

  /// An entry that maps a page: a 4 KiB page at level 0, a larger one above.
  public init(page address: UInt64, _ permissions: PagePermissions, level: Int) {
    rawValue = address | Self.present | Self.accessed | Self.dirty
    if permissions.contains(.write) { rawValue |= Self.writable }
    if !permissions.contains(.execute) { rawValue |= Self.noExecute }
    if permissions.contains(.device) { rawValue |= Self.uncached }
    if level > 0 { rawValue |= Self.large }
  }

  /// Permissions as a present page's entry has them.
  public struct PermissionBits: Sendable {
    fileprivate let rawValue: UInt64

    /// The bits of these permissions, but for `inaccessible`.
    @inline(__always)
    public init(_ permissions: PagePermissions) {
      var bits: UInt64 = 0
      if permissions.contains(.write) { bits |= writable }
      if !permissions.contains(.execute) { bits |= noExecute }
      if permissions.contains(.device) { bits |= uncached }
      rawValue = bits
    }
  }

  /// A present page with other permissions.
  @inline(__always)
  public func with(_ bits: PermissionBits) -> PageTableEntry {
    PageTableEntry(
      rawValue: rawValue & ~(Self.writable | Self.noExecute | Self.uncached) | bits.rawValue)
  }

  /// Whether who remembers the present entry `old` may do more than this one allows, reaches another
  /// page, or caches it in another way: then CPUs have to be told.
  @inline(__always)
  public func isLess(than old: PageTableEntry) -> Bool {
    if !old.isPresent { return false }
    let lost = old.rawValue & ~rawValue & (Self.present | Self.writable)
    let gained = rawValue & ~old.rawValue & Self.noExecute
    let changed = (rawValue ^ old.rawValue) & (Self.addressMask | Self.uncached)
    return lost | gained | changed != 0
  }

  /// Whether the entry leads somewhere.
  @inline(__always)
  public var isPresent: Bool { rawValue & Self.present != 0 }

  /// Whether a present entry at `level` maps a page instead of leading to a table.
  @inline(__always)
  public func isPage(level: Int) -> Bool { level == 0 || rawValue & Self.large != 0 }

  /// Whether an entry above level 0 leads to a table.
  @inline(__always)
  public var isTable: Bool { rawValue & (Self.present | Self.large) == Self.present }

  /// The page or table that a present entry points to.
  @inline(__always)
  public var address: UInt64 { rawValue & Self.addressMask }

  /// The entry of a page without what `permissions` do not allow, cached as they say.
  @inline(__always)
  public func reduced(to permissions: PagePermissions) -> PageTableEntry {
    var result = self
    if !permissions.contains(.write) { result.rawValue &= ~Self.writable }
    if !permissions.contains(.execute) { result.rawValue |= Self.noExecute }
    result.rawValue &= ~Self.uncached
    if permissions.contains(.device) { result.rawValue |= Self.uncached }
    return result
  }

  /// What a page that the entry maps may be used for.
  public var permissions: PagePermissions {
    var result: PagePermissions = []
    if rawValue & Self.writable != 0 { result.insert(.write) }
    if rawValue & Self.noExecute == 0 { result.insert(.execute) }
    if rawValue & Self.uncached != 0 { result.insert(.device) }
    return result
  }
}

/// What present pages have in common, collected over many of them by two instructions for each.
public struct PageTableEntrySummary: Sendable {
  private var any: UInt64 = 0
  private var all: UInt64 = .max

  /// Of no pages.
  @inline(__always)
  public init() {}

  /// Adds a present page.
  @inline(__always)
  public mutating func add(_ entry: PageTableEntry) {
    any |= entry.rawValue
    all &= entry.rawValue
  }

  /// Whether there were any.
  @inline(__always)
  public var hasPages: Bool { any != 0 }

  /// Whether some page allowed more than these permissions, or was cached in another way, see `isLess`.
  @inline(__always)
  public func exceeds(_ bits: PageTableEntry.PermissionBits) -> Bool {
    let lost = any & ~bits.rawValue & (PageTableEntry.writable | PageTableEntry.uncached)
    let gained =
      bits.rawValue & ~all & (PageTableEntry.noExecute | PageTableEntry.uncached)
    return hasPages && lost | gained != 0
  }
}

/// The shape of the tables: four levels, 512 entries each.
public enum PageTableFormat {
  /// Level of the root; level 0 holds entries of 4 KiB pages.
  public static let rootLevel = 3
  /// Entries in a table.
  public static let entryCount = 512
  /// The highest level at which an entry may map a page: 1 is 2 MiB.
  public static let largestPageLevel = 1
  /// One more than the highest physical address that an entry can hold (volume 3, 4.5.4).
  public static let physicalLimit: UInt64 = 1 << 52

  /// Bytes that one entry of a level covers.
  @inline(__always)
  public static func span(level: Int) -> UInt64 {
    4096 &<< UInt64(truncatingIfNeeded: 9 &* level)
  }

  /// The binary logarithm of that.
  @inline(__always)
  public static func shift(level: Int) -> UInt64 { UInt64(truncatingIfNeeded: 12 &+ 9 &* level) }

  /// Which entry of a table at `level` leads to `address`.
  @inline(__always)
  public static func index(of address: UInt64, level: Int) -> Int {
    Int(truncatingIfNeeded: address &>> UInt64(truncatingIfNeeded: 12 &+ 9 &* level) & 511)
  }
}
#endif
