import Boot
import Locking
import Machine
import PhysicalMemory

/// What is where. Nothing here takes a lock or holds up anybody: each page is reported as it was at one
/// moment, but other CPUs may have changed it since, and one page after the other.
extension AddressSpace {
  /// Pages in a row with the same permissions and of the same kind.
  public struct Area: Equatable, Sendable {
    /// The first address.
    public let start: UInt64
    /// One more than the last address.
    public let end: UInt64
    /// What its pages may be used for.
    public let permissions: PagePermissions
    /// Its name, and where contents come from.
    public let kind: AreaKind
    /// Bytes of physical memory that it has now.
    public let residentByteCount: UInt64

    /// Its size in bytes.
    public var byteCount: UInt64 { end &- start }
  }

  /// The area that an address is in, as far as it reaches in both directions; `nil` if nothing is mapped
  /// there. Any context but handlers; the time is linear in the area's pages.
  public borrowing func area(at address: UInt64) -> Area? {
    guard address >= lowest.value, address < limit.value else { return nil }
    while true {
      var scan = AreaScan(from: address, to: limit.value)
      let version = begin(&scan, orBehind: false)
      guard scan.isInArea else { return nil }
      let kind = areaKinds[scan.number]
      while Epoch.shared.read({ scan.extendForwards(in: rootTable) }) {}
      while Epoch.shared.read({ scan.extendBackwards(in: rootTable, to: lowest.value) }) {}
      if areaKinds.version(of: scan.number) == version { return scan.area(kind) }
    }
  }

  /// Calls `body` for each area between two addresses, the lowest first; the first and the last one only
  /// as far as they lie in between. `body` may do anything, also change areas. Any context but handlers.
  public borrowing func forEachArea<Failure: Error>(
    from start: UInt64 = 0, to end: UInt64 = .max, _ body: (Area) throws(Failure) -> Void
  ) throws(Failure) {
    var next = Swift.max(start, lowest.value)
    let end = Swift.min(end, limit.value)
    while next < end {
      var scan = AreaScan(from: next, to: end)
      let version = begin(&scan, orBehind: true)
      guard scan.isInArea else { return }
      let kind = areaKinds[scan.number]
      while Epoch.shared.read({ scan.extendForwards(in: rootTable) }) {}
      // The number was given to another kind meanwhile.
      guard areaKinds.version(of: scan.number) == version else { continue }
      next = scan.end
      try body(scan.area(kind))
    }
  }

  /// Finds the first piece of an area; returns the version of its kind's number, which was the number's
  /// when some entry of the area had it.
  private borrowing func begin(_ scan: inout AreaScan, orBehind: Bool) -> UInt64 {
    while true {
      while Epoch.shared.read({ scan.begin(in: rootTable, orBehind: orBehind) }) {}
      let version = areaKinds.version(of: scan.number)
      if !scan.isInArea || Epoch.shared.read({ scan.isStill(in: rootTable) }) { return version }
    }
  }

  /// What a page is for, and what may be done with it; `nil` where nothing is mapped. Any context but
  /// handlers. Some 60 instructions.
  public borrowing func meaning(
    of address: UInt64
  ) -> (kind: AreaKind, permissions: PagePermissions)? {
    guard address >= lowest.value, address < limit.value else { return nil }
    let meaning = Epoch.shared.read { EntryRange(at: address, in: rootTable).meaning }
    return meaning.map { (areaKinds[$0.area], $0.permissions) }
  }

  /// Where a page is, as the processor finds it.
  public struct Translation: Equatable, Sendable {
    /// The physical address that the virtual one leads to.
    public let address: PhysicalAddress
    /// Bytes that are mapped as one: 4 KiB, or 2 MiB.
    public let pageSize: UInt64
    /// What the page may be used for.
    public let permissions: PagePermissions
  }

  /// What an address leads to; `nil` where no page is, even if one is promised. Any context but
  /// handlers. Some 60 instructions.
  public borrowing func translate(_ address: UInt64) -> Translation? {
    guard address >= lowest.value, address < limit.value else { return nil }
    return Epoch.shared.read {
      let range = EntryRange(at: address, in: rootTable)
      guard range.entry.isPresent else { return nil }
      return Translation(
        address: PhysicalAddress(range.entry.address &+ (address &- range.start)),
        pageSize: PageTableFormat.span(level: range.level), permissions: range.entry.allowed)
    }
  }

  /// Adds the numbers of all kinds that entries have to a set. In sections of bounded length.
  func collectAreaNumbers(_ used: inout AreaNumberSet) {
    var next = lowest.value
    while next < limit.value {
      Epoch.shared.read {
        for _ in 0..<AreaScan.lookUpLimit where next < limit.value {
          let range = EntryRange(at: next, in: rootTable)
          if let meaning = range.meaning { used.insert(meaning.area) }
          next = range.end
        }
      }
    }
  }
}

/// The search for the borders of an area: in steps that end after a bounded number of entries, so that
/// the epoch section around each does not hold up others.
struct AreaScan {
  /// Entries looked at in one step.
  static let lookUpLimit = 256

  private(set) var start: UInt64
  private(set) var end: UInt64
  private let limit: UInt64
  private var meaning: PageMeaning?
  private var residentByteCount: UInt64 = 0

  init(from address: UInt64, to limit: UInt64) {
    start = address
    end = address
    self.limit = limit
  }

  var isInArea: Bool { meaning != nil }

  var number: Int { meaning?.area ?? 0 }

  func area(_ kind: AreaKind) -> AddressSpace.Area {
    AddressSpace.Area(
      start: start, end: end, permissions: meaning?.permissions ?? [], kind: kind,
      residentByteCount: residentByteCount)
  }

  /// Finds the first piece of an area at the start, or behind it; returns whether another step is needed.
  mutating func begin(in root: TablePage, orBehind: Bool) -> Bool {
    for _ in 0..<Self.lookUpLimit {
      guard start < limit else { return false }
      let range = EntryRange(at: start, in: root)
      meaning = range.meaning
      if meaning != nil {
        end = start
        add(range)
        return false
      }
      if !orBehind { return false }
      start = range.end
    }
    return true
  }

  /// Whether the first piece means the same as when it was found.
  func isStill(in root: TablePage) -> Bool { EntryRange(at: start, in: root).meaning == meaning }

  private mutating func add(_ range: EntryRange) {
    let newEnd = Swift.min(range.end, limit)
    if range.residentByteCount > 0 { residentByteCount &+= newEnd &- end }
    end = newEnd
  }

  /// Adds what follows; returns whether another step is needed.
  @inline(never)
  mutating func extendForwards(in root: TablePage) -> Bool {
    for _ in 0..<Self.lookUpLimit {
      guard end < limit else { return false }
      let range = EntryRange(at: end, in: root)
      guard range.meaning == meaning else { return false }
      add(range)
    }
    return true
  }

  /// Adds what is in front; returns whether another step is needed.
  @inline(never)
  mutating func extendBackwards(in root: TablePage, to lowest: UInt64) -> Bool {
    for _ in 0..<Self.lookUpLimit {
      guard start > lowest else { return false }
      let range = EntryRange(at: start &- 1, in: root)
      guard range.meaning == meaning else { return false }
      let newStart = Swift.max(range.start, lowest)
      if range.residentByteCount > 0 { residentByteCount &+= start &- newStart }
      start = newStart
    }
    return true
  }
}
