/// A reader of one run of bytes, which stands at a given physical address.
///
/// It does not keep the bytes alive: it must not be used after they are gone.
public struct MemoryWindow: PhysicalMemoryReader {
  private let bytes: UnsafeRawBufferPointer
  private let base: UInt64

  /// The window through which `bytes` are seen from the physical address `base` on.
  public init(_ bytes: UnsafeRawBufferPointer, at base: UInt64) {
    self.bytes = bytes
    self.base = base
  }

  /// The value at `address`, or nil when a byte of it lies outside of the window.
  public func load<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, at address: UInt64
  ) -> Value? {
    guard address >= base else { return nil }
    let offset = address - base
    let (end, overflow) = offset.addingReportingOverflow(UInt64(MemoryLayout<Value>.size))
    guard !overflow, end <= UInt64(bytes.count) else { return nil }
    return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: Int(offset), as: Value.self))
  }

  /// The search with one check for the whole range instead of one for every candidate.
  public func firstParagraph(
    matching pattern: UInt64, mask: UInt64, in range: PhysicalRange
  ) -> PhysicalAddress? {
    let window = PhysicalRange(start: base, byteCount: UInt64(bytes.count))
    let searched = window.intersection(range)
    let skipped = (16 - searched.start.rawValue & 15) & 15
    guard let start = bytes.baseAddress, searched.byteCount > skipped,
      UInt64(bytes.count) >= 8
    else { return nil }
    let first = Int(searched.start.rawValue - base + skipped)
    let end = min(Int(searched.end.rawValue - base), bytes.count - 7)
    var offset = first
    while offset < end {
      let value = start.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      if UInt64(littleEndian: value) & mask == pattern {
        return PhysicalAddress(base + UInt64(offset))
      }
      offset += 16
    }
    return nil
  }
}
