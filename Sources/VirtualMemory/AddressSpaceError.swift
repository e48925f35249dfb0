import PhysicalMemory

/// Why an operation on an address space was refused. Nothing has changed then.
public enum AddressSpaceError: Error, Equatable, Sendable {
  /// The range is empty, or does not begin and end at page borders.
  case notPageAligned(start: UInt64, byteCount: UInt64)
  /// The range goes beyond what the address space is for.
  case outOfBounds(start: UInt64, byteCount: UInt64)
  /// The alignment is not a power of two, or less than a page.
  case badAlignment(UInt64)
  /// Memory would be writable and executable at once, which has to be asked for.
  case writableAndExecutable
  /// Something is mapped in the range, and it was not to be replaced.
  case occupied(start: UInt64, byteCount: UInt64)
  /// There is no free range of this size.
  case noRange(byteCount: UInt64)
  /// There is no memory for page tables, or for pages.
  case outOfMemory
  /// No more areas can be told apart by their names: at most 2,047.
  case tooManyNames
}
