#if hasFeature(Embedded)
import Boot
import Machine

/// Reads physical memory below 4 GiB at its own addresses, as the boot tables map it.
struct IdentityMappedMemory: PhysicalMemoryReader {
  func load<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, at address: UInt64
  ) -> Value? {
    guard address <= BootMemory.mappedAtStart - UInt64(MemoryLayout<Value>.size),
      let pointer = PhysicalMemoryWindow.pointer(to: address)
    else { return nil }
    return pointer.loadUnaligned(as: Value.self)
  }

  /// One check for the whole range: the tables are looked for in 128 KiB.
  func firstParagraph(
    matching pattern: UInt64, mask: UInt64, in range: PhysicalRange
  ) -> PhysicalAddress? {
    let page = PhysicalAddress.pageSize
    let mapped = range.intersection(PhysicalRange(start: page, end: BootMemory.mappedAtStart))
    let bytes = UnsafeRawBufferPointer(
      start: PhysicalMemoryWindow.pointer(to: mapped.start.rawValue), count: Int(mapped.byteCount))
    return MemoryWindow(bytes, at: mapped.start.rawValue)
      .firstParagraph(matching: pattern, mask: mask, in: mapped)
  }
}
#endif
