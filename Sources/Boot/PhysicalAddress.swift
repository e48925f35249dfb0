/// An address in the machine's physical memory.
///
/// A value of its own, so that a physical address is never taken for a pointer by accident.
public struct PhysicalAddress: Hashable, Comparable, Sendable {
  /// The size of a page, in bytes, that `alignedDown()` and `alignedUp()` refer to.
  public static var pageSize: UInt64 { 4096 }

  /// The address as a number.
  public var rawValue: UInt64

  /// The address with the given number.
  public init(_ rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// Orders addresses as numbers.
  public static func < (left: PhysicalAddress, right: PhysicalAddress) -> Bool {
    left.rawValue < right.rawValue
  }

  /// The address `count` bytes further on, or nil when that lies beyond the last 64-bit address.
  public func advanced(by count: UInt64) -> PhysicalAddress? {
    let (sum, overflow) = rawValue.addingReportingOverflow(count)
    return overflow ? nil : PhysicalAddress(sum)
  }

  /// Whether a page begins here.
  public var isPageAligned: Bool {
    rawValue & (Self.pageSize - 1) == 0
  }

  /// The beginning of the page that holds this address.
  public func alignedDown() -> PhysicalAddress {
    PhysicalAddress(rawValue & ~(Self.pageSize - 1))
  }

  /// The first beginning of a page at or after this address, or nil when there is none.
  public func alignedUp() -> PhysicalAddress? {
    advanced(by: Self.pageSize - 1)?.alignedDown()
  }
}
