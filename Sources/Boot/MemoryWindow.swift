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
}
