/// Reads the fields of a structure in physical memory by their offsets.
///
/// A field that would lie beyond the end of the address space cannot be read, so that a structure
/// near 2^64 does not wrap around to low memory.
public struct StructureReader<Memory: PhysicalMemoryReader> {
  private let memory: Memory
  private let address: UInt64

  /// A reader of the structure at `address`.
  public init(_ memory: Memory, at address: UInt64) {
    self.memory = memory
    self.address = address
  }

  /// The field `offset` bytes into the structure, or nil when it cannot be read.
  public func load<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, at offset: UInt64
  ) -> Value? {
    let (position, overflow) = address.addingReportingOverflow(offset)
    return overflow ? nil : memory.load(type, at: position)
  }
}
