/// What the pages of an area have in common beside their permissions: what they are called, and where
/// their contents come from. An entry of the page table names it by a number of 11 bits (`AreaKinds`).
public struct AreaKind: Equatable, Sendable {
  /// Where contents come from.
  public enum Backing: Equatable, Sendable {
    /// Memory that is zero at first.
    case anonymous
    /// The same, for a thread's stack.
    case stack
    /// Nothing, ever: below a stack.
    case `guard`
    /// A fixed range of physical addresses, of a device most often.
    case device(PhysicalContents)
    /// Nothing: the addresses are kept for later.
    case reserved
    /// A file's bytes; what is written to them is nobody else's.
    case file(PhysicalContents)

    /// The physical memory that pages show, of those that have no memory of their own.
    public var contents: PhysicalContents? {
      switch self {
      case .device(let contents), .file(let contents): contents
      case .anonymous, .stack, .guard, .reserved: nil
      }
    }
  }

  /// What a list calls it; may be empty.
  public let name: AreaName
  /// Where contents come from.
  public let backing: Backing

  /// A kind of areas.
  public init(_ backing: Backing, named name: AreaName = AreaName()) {
    self.name = name
    self.backing = backing
  }

  /// Whether it is memory without a name.
  @inline(__always)
  var isAnonymous: Bool {
    if case .anonymous = backing { name.isEmpty } else { false }
  }

  /// Memory without a name.
  public static var anonymous: AreaKind { AreaKind(.anonymous) }
}

/// Bytes in physical memory that an area shows, and where it shows them.
public struct PhysicalContents: Equatable, Sendable {
  /// The physical address of the first byte.
  public let start: UInt64
  /// How many there are. What follows in the last page of a file is zero.
  public let byteCount: UInt64
  /// The virtual address of the first byte. It is part of the kind, so that an area keeps its meaning
  /// when parts of it are unmapped.
  public let address: UInt64

  /// `byteCount` bytes from `start` on, seen at `address`.
  public init(start: UInt64, byteCount: UInt64, at address: UInt64) {
    self.start = start
    self.byteCount = byteCount
    self.address = address
  }
}
