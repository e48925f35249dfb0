/// The machine's physical memory as ranges of one kind each: sorted, disjoint, never empty.
///
/// It has a fixed capacity, because it is made before there is a heap. Where the entries it is made
/// from overlap, the more restrictive kind wins, so that a usable byte is nowhere anything else.
public struct MemoryMap: ~Copyable, Sendable {
  /// What a range of memory is good for, from the least to the most restrictive.
  public enum Kind: UInt8, Comparable, Sendable {
    /// Ordinary memory, free to use.
    case usable
    /// Ordinary memory that holds something: set by `reserve(_:)`, never by the firmware.
    case occupied
    /// Holds ACPI tables; ordinary memory once these are no longer needed.
    case acpiReclaimable
    /// Firmware memory that must be kept as it is.
    case acpiNonVolatile
    /// Memory that survives a power cut.
    case persistent
    /// Not memory, or not for the kernel.
    case reserved
    /// Broken memory.
    case bad

    /// The kind for an "address range type" of the firmware; what is not known is reserved.
    ///
    /// Source: ACPI specification, section 15, "Address Range Types".
    public init(firmwareType: UInt32) {
      switch firmwareType {
      case 1: self = .usable
      case 3: self = .acpiReclaimable
      case 4: self = .acpiNonVolatile
      case 5: self = .bad
      case 7: self = .persistent
      default: self = .reserved
      }
    }

    /// Orders kinds by how restrictive they are.
    public static func < (left: Kind, right: Kind) -> Bool {
      left.rawValue < right.rawValue
    }
  }

  /// A range of memory of one kind.
  public struct Region: Equatable, Sendable {
    /// The memory.
    public let range: PhysicalRange
    /// What it is good for.
    public let kind: Kind
  }

  /// The greatest number of regions.
  public static var capacity: Int { FixedArray<Region>.capacity }

  private var regions: FixedArray<Region>
  /// The number of regions.
  public private(set) var count: Int

  /// A map without any memory.
  public init() {
    let nothing = PhysicalRange(start: UInt64(0), end: UInt64(0))
    regions = FixedArray(repeating: Region(range: nothing, kind: .reserved))
    count = 0
  }

  /// The memory map in the start info.
  public init(
    _ startInfo: StartInfo, in memory: some PhysicalMemoryReader
  ) throws(MemoryMapError) {
    self.init()
    for index in 0..<startInfo.memoryMapEntryCount {
      let entry: StartInfo.MemoryMapEntry
      do throws(StartInfoError) {
        entry = try startInfo.memoryMapEntry(index, in: memory)
      } catch {
        throw .startInfo(error)
      }
      try insert(entry.range, as: entry.kind)
    }
    guard usableByteCount > 0 else { throw .noUsableMemory }
  }

  /// The region with the given index, below `count`, in ascending order of addresses.
  public subscript(index: Int) -> Region {
    precondition(index >= 0 && index < count, "a memory map index must be below the count")
    return regions[index]
  }

  /// Adds a range of the given kind. Memory that is already known as something more restrictive
  /// stays that; an empty range changes nothing.
  ///
  /// - Throws: `MemoryMapError.tooManyRegions`; the map then holds a part of the range, and what
  ///   it held before is still in it.
  public mutating func insert(_ range: PhysicalRange, as kind: Kind) throws(MemoryMapError) {
    guard !range.isEmpty else { return }
    try split(at: range.start)
    try split(at: range.end)
    // Every region is now either inside of the range or disjoint from it.
    var index = firstIndex(endingAfter: range.start)
    var position = range.start
    while position < range.end {
      if index < count && regions[index].range.start == position {
        let region = regions[index]
        regions[index] = Region(range: region.range, kind: max(region.kind, kind))
        position = region.range.end
      } else {
        let next = index < count ? min(regions[index].range.start, range.end) : range.end
        let gap = PhysicalRange(start: position, end: next)
        try insert(Region(range: gap, kind: kind), at: index)
        position = next
      }
      index += 1
    }
    mergeNeighbours()
  }

  /// Takes a range out of the usable memory. What is not usable stays as it is.
  ///
  /// - Throws: `MemoryMapError.tooManyRegions`; usable memory is then still usable.
  public mutating func reserve(_ range: PhysicalRange) throws(MemoryMapError) {
    guard !range.isEmpty else { return }
    try split(at: range.start)
    try split(at: range.end)
    for index in 0..<count where range.contains(regions[index].range) {
      if regions[index].kind == .usable {
        regions[index] = Region(range: regions[index].range, kind: .occupied)
      }
    }
    mergeNeighbours()
  }

  /// The number of usable bytes.
  public var usableByteCount: UInt64 {
    var sum: UInt64 = 0
    forEachUsable { sum += $0.byteCount }
    return sum
  }

  /// The end of the highest usable range; 0 when there is none.
  public var highestUsableEnd: PhysicalAddress {
    var end = PhysicalAddress(0)
    forEachUsable { end = $0.end }
    return end
  }

  /// Hands the usable ranges to `body` in ascending order; no two of them touch.
  @inline(__always)
  public func forEachUsable(_ body: (PhysicalRange) -> Void) {
    for index in 0..<count where regions[index].kind == .usable { body(regions[index].range) }
  }

  private func firstIndex(endingAfter address: PhysicalAddress) -> Int {
    var index = 0
    while index < count && regions[index].range.end <= address { index += 1 }
    return index
  }

  /// Cuts the region with this address in its inside, if there is one, into two.
  private mutating func split(at address: PhysicalAddress) throws(MemoryMapError) {
    let index = firstIndex(endingAfter: address)
    guard index < count, regions[index].range.start < address else { return }
    let region = regions[index]
    let upper = PhysicalRange(start: address, end: region.range.end)
    try insert(Region(range: upper, kind: region.kind), at: index + 1)
    let lower = PhysicalRange(start: region.range.start, end: address)
    regions[index] = Region(range: lower, kind: region.kind)
  }

  private mutating func insert(_ region: Region, at index: Int) throws(MemoryMapError) {
    guard count < Self.capacity else { throw .tooManyRegions }
    var position = count
    while position > index {
      regions[position] = regions[position - 1]
      position -= 1
    }
    regions[index] = region
    count += 1
  }

  private mutating func mergeNeighbours() {
    guard count > 0 else { return }
    var last = 0
    for index in 1..<max(1, count) {
      let region = regions[index]
      if region.kind == regions[last].kind && region.range.start == regions[last].range.end {
        let joined = PhysicalRange(start: regions[last].range.start, end: region.range.end)
        regions[last] = Region(range: joined, kind: region.kind)
      } else {
        last += 1
        regions[last] = region
      }
    }
    count = last + 1
  }
}
