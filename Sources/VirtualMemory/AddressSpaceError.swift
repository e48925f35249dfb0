/// Why an operation on an address space was refused. Nothing has changed then.
public enum AddressSpaceError: Error, Equatable, Sendable {
  /// The range has no bytes.
  case empty
  /// The range does not begin and end at page borders: round the start down and the end up to 4,096.
  case notPageAligned(start: UInt64, byteCount: UInt64)
  /// An alignment is no power of two of at least a page, or more than 512 GiB.
  case badAlignment(UInt64)
  /// The range goes beyond what the address space is for, `lowest` up to `limit`: below and above are
  /// the kernel's addresses, and those that no processor has.
  case outOfBounds(start: UInt64, byteCount: UInt64, lowest: UInt64, limit: UInt64)
  /// A page is to be written and executed: leave one of both out, and use `protect` in between, or ask
  /// for it by `allowsWriteAndExecute`.
  case writableAndExecutable
  /// Something is mapped in the range, up to `obstacleEnd` at least: ask for it to be replaced, or
  /// go on from there.
  case occupied(obstacleEnd: UInt64)
  /// Nothing is mapped at an address of the range: map it first.
  case notMapped(address: UInt64)
  /// Nobody may access the page at an address of the range: give it other permissions first.
  case inaccessible(address: UInt64)
  /// No range of so many free addresses is left: unmap others.
  case noAddresses(byteCount: UInt64)
  /// There is no memory for page tables, or for pages: give some back, or use fewer bytes.
  case outOfMemory
  /// There are 2,047 kinds of areas already, and all are in use.
  case tooManyKinds
  /// A physical range is memory that the machine hands out: others use it, or will.
  case isMemory(start: UInt64, byteCount: UInt64)
}
