import Boot
import Machine
import PerCPU
import PhysicalMemory

/// Addresses that lead to another page on each CPU.
extension AddressSpace {
  /// Bytes of a part of the local addresses, see `takeLocalRange`.
  public static let localRangeByteCount: UInt64 = (lowestAddress - localAddresses) / 64

  /// Takes one of 64 parts of the local addresses, of 8 GiB, for `mapLocal` on any CPUs; returns its first address,
  /// or `nil` if all are taken. Any context.
  public func takeLocalRange() -> UInt64? {
    var taken = localRanges.load(ordering: .relaxed)
    while taken != .max {
      let part = (~taken).trailingZeroBitCount
      // Acquire pairs with the release below: who had it before has unmapped what was there.
      let result = localRanges.compareExchange(
        expected: taken, desired: taken | 1 << UInt64(part), ordering: .acquiring)
      if result.exchanged { return Self.localAddresses + UInt64(part) * Self.localRangeByteCount }
      taken = result.original
      Processor.pause()
    }
    return nil
  }

  /// Gives a part back. No CPU has anything mapped there.
  public func giveBackLocalRange(_ start: UInt64) {
    let part = (start - Self.localAddresses) / Self.localRangeByteCount
    localRanges.bitwiseAnd(~(1 << part), ordering: .releasing)
  }

  /// Makes `address`, a page border from `localAddresses` on, lead to `frame` on the calling CPU: on others
  /// it leads elsewhere, or nowhere. Whoever uses it stays on this CPU. The frame is the caller's. Other
  /// CPUs are not told of anything, in either scheme. Not in interrupts.
  public func mapLocal(
    _ frame: PhysicalAddress, at address: UInt64, _ permissions: PagePermissions
  ) throws(AddressSpaceError) {
    try Self.checkLocal(address)
    Processor.disablePreemption()
    defer { Processor.enablePreemption() }
    let own = ownTables
    do throws(FrameAllocatorError) {
      try own.makeRoot()
      try own.map(PageTableEntry(page: frame.rawValue, permissions, level: 0), at: address)
    } catch {
      throw .outOfMemory
    }
  }

  /// Makes `address` lead nowhere on the calling CPU; returns the frame that it led to.
  @discardableResult
  public func unmapLocal(at address: UInt64) throws(AddressSpaceError) -> PhysicalAddress? {
    try Self.checkLocal(address)
    return Processor.withPreemptionDisabled { ownTables.unmap(address) }
      .map { PhysicalAddress($0) }
  }

  private static func checkLocal(_ address: UInt64) throws(AddressSpaceError) {
    if address % pageSize != 0 {
      throw .notPageAligned(start: address, byteCount: pageSize)
    }
    if address < localAddresses || address >= lowestAddress {
      throw .outOfBounds(
        start: address, byteCount: pageSize, lowest: localAddresses, limit: lowestAddress)
    }
  }
}
