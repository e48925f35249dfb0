/// Why an operation on an address space was refused. Nothing has changed then.
public enum AddressSpaceError: Error, Equatable, Sendable {
  /// The range is empty, or does not begin and end at page borders.
  case notPageAligned(start: UInt64, byteCount: UInt64)
  /// The range goes beyond what the address space is for.
  case outOfBounds(start: UInt64, byteCount: UInt64)
  /// Something is mapped in the range, and it was not to be replaced.
  case occupied(start: UInt64, byteCount: UInt64)
  /// There is no memory for page tables, or for pages.
  case outOfMemory
  /// There are 2,047 kinds of areas already, and all are in use.
  case tooManyKinds
}
