/// A half-open range of physical memory: `start` belongs to it, `end` does not.
///
/// Every initialiser gives a valid range. The very last byte of the 64-bit address space cannot be
/// part of a range, since its end would not be a 64-bit number.
public struct PhysicalRange: Equatable, Sendable {
  /// The first address of the range.
  public let start: PhysicalAddress
  /// The first address after the range, never below `start`.
  public let end: PhysicalAddress

  /// The range from `start` up to `end`; empty when `end` lies below `start`.
  public init(start: PhysicalAddress, end: PhysicalAddress) {
    self.start = start
    self.end = max(start, end)
  }

  /// The range from `start` up to `end`, as numbers; empty when `end` lies below `start`.
  public init(start: UInt64, end: UInt64) {
    self.init(start: PhysicalAddress(start), end: PhysicalAddress(end))
  }

  /// The `byteCount` bytes from `start` on, clipped at the end of the address space.
  public init(start: UInt64, byteCount: UInt64) {
    let (end, overflow) = start.addingReportingOverflow(byteCount)
    self.init(start: start, end: overflow ? UInt64.max : end)
  }

  /// The number of bytes in the range.
  public var byteCount: UInt64 {
    end.rawValue - start.rawValue
  }

  /// Whether there is no byte in the range.
  public var isEmpty: Bool {
    start == end
  }

  /// Whether the byte at `address` belongs to the range.
  public func contains(_ address: PhysicalAddress) -> Bool {
    start <= address && address < end
  }

  /// Whether every byte of `other` belongs to this range; true for an empty `other`.
  public func contains(_ other: PhysicalRange) -> Bool {
    other.isEmpty || (start <= other.start && other.end <= end)
  }

  /// Whether the ranges have a byte in common.
  public func overlaps(_ other: PhysicalRange) -> Bool {
    max(start, other.start) < min(end, other.end)
  }

  /// The bytes that both ranges have; an empty range when there are none.
  public func intersection(_ other: PhysicalRange) -> PhysicalRange {
    PhysicalRange(start: max(start, other.start), end: min(end, other.end))
  }

  /// The smallest range of whole pages that holds this one, clipped at the last page's beginning.
  public var roundedToPages: PhysicalRange {
    let last = PhysicalAddress(UInt64.max).alignedDown()
    return PhysicalRange(start: start.alignedDown(), end: end.alignedUp() ?? last)
  }
}
