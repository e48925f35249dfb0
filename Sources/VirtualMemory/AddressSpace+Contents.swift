import Boot
import Machine
import PhysicalMemory

/// Ranges that show physical memory which is there already.
extension AddressSpace {
  /// Maps registers of a device, or memory that is none of the machine's: whole pages of physical addresses,
  /// seen at addresses that are free; returns the first. All pages are there at once, so that handlers of
  /// interrupts may use them; they are never freed.
  ///
  /// - Parameter permissions: with `.device` accesses are not cached, as registers need it.
  /// - Throws: `isMemory` for memory that the frame allocator hands out.
  public func map(
    device range: PhysicalRange, _ permissions: PagePermissions = [.write, .device],
    named name: AreaName = AreaName()
  ) throws(AddressSpaceError) -> UInt64 {
    let (start, byteCount) = (range.start.rawValue, range.byteCount)
    guard byteCount > 0 else { throw .empty }
    guard (start | byteCount) & (Self.pageSize &- 1) == 0 else {
      throw .notPageAligned(start: start, byteCount: byteCount)
    }
    guard range.end.rawValue <= PageTableFormat.physicalLimit else {
      throw .outOfBounds(
        start: start, byteCount: byteCount, lowest: 0, limit: PageTableFormat.physicalLimit)
    }
    if frames.pointee.owns(anyOf: range) { throw .isMemory(start: start, byteCount: byteCount) }
    let large = PageTableFormat.span(level: PageTableFormat.largestPageLevel)
    return try map(
      byteCount, alignment: start & (large &- 1) == 0 ? large : Self.pageSize, permissions,
      options: .populate
    ) {
      AreaKind(.device(PhysicalContents(start: start, byteCount: byteCount, at: $0)), named: name)
    }
  }

  /// Maps a file that lies in memory: its bytes are seen from the returned address on, and zeroes behind
  /// them to the end of the page. What is written, if the permissions allow it, is nobody else's: a
  /// write copies the page, and `discard` brings the file's bytes back.
  ///
  /// Pages that fill one of physical memory are not copied before they are written. The bytes must not
  /// change, and stay where they are as long as the range is mapped.
  public func map(
    file contents: PhysicalRange, _ permissions: PagePermissions = [],
    named name: AreaName = AreaName(), options: MapOptions = []
  ) throws(AddressSpaceError) -> UInt64 {
    let (start, byteCount) = (contents.start.rawValue, contents.byteCount)
    guard byteCount > 0 else { throw .empty }
    let (sum, overflow) = byteCount.addingReportingOverflow(Self.pageSize &- 1)
    // The bytes are read through the window on physical memory.
    let limit = KernelAddressSpace.endOfPhysicalMemory
    guard !overflow, contents.end.rawValue <= limit else {
      throw .outOfBounds(start: start, byteCount: byteCount, lowest: 0, limit: limit)
    }
    return try map(
      sum & ~(Self.pageSize &- 1), alignment: Self.pageSize, permissions,
      options: options.union(.smallPages)
    ) { AreaKind(.file(PhysicalContents(start: start, byteCount: byteCount, at: $0)), named: name) }
  }

  /// Maps a kind of areas that depends on the address: takes the addresses first.
  private func map(
    _ byteCount: UInt64, alignment: UInt64, _ permissions: PagePermissions, options: MapOptions,
    kind: (UInt64) -> AreaKind
  ) throws(AddressSpaceError) -> UInt64 {
    try checkPermissions(permissions, options.contains(.allowsWriteAndExecute))
    let start = try map(
      byteCount: byteCount, alignment: alignment, hint: nil, .inaccessible, area: 0, options: [])
    do throws(AddressSpaceError) {
      try map(
        at: start, byteCount: byteCount, permissions, as: kind(start), replacing: true,
        options: options)
    } catch {
      try unmap(at: start, byteCount: byteCount)
      throw error
    }
    return start
  }
}
