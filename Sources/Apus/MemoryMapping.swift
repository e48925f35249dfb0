#if hasFeature(Embedded)
import Boot
import Console
import Machine
import VirtualMemory

/// A range of addresses of its own, with what is mapped there; unmapped when the value goes.
///
///     var table = try MemoryMapping(byteCount: 1 << 30, named: "table")
///     table.withUnsafeMutableBytes { $0.storeBytes(of: 1, toByteOffset: 4096, as: Int.self) }
///     try table.discard(in: 0..<8192)
///
/// Memory comes with the first access to a page. When there is none left, the access ends the program;
/// `populate` gets it before, and throws. Ranges within the mapping count in bytes from its start and
/// are whole pages of 4,096 bytes.
///
/// Several threads may use one mapping. Not in interrupt handlers. `AddressSpace.shared` offers the same,
/// and more, by plain addresses.
public struct MemoryMapping: ~Copyable, Sendable {
  /// The first address.
  public let address: UInt
  /// How many bytes there are: whole pages, for a file its own bytes.
  public let byteCount: Int

  private var mappedByteCount: UInt64 { (UInt64(byteCount) + 4095) & ~4095 }

  private init(mapped start: UInt64, byteCount: Int) {
    address = UInt(start)
    self.byteCount = byteCount
  }

  private static func pages(_ byteCount: Int) throws(AddressSpaceError) -> UInt64 {
    guard byteCount > 0, byteCount <= Int.max - 4095 else { throw .empty }
    return (UInt64(byteCount) + 4095) & ~4095
  }

  // MARK: Making one

  /// Memory that is zero at first, at least `byteCount` bytes.
  ///
  /// - Parameters:
  ///   - permissions: what it may be used for; `[]` is reading only.
  ///   - alignment: a power of two of at least 4,096, of which the address is a multiple.
  ///   - name: what lists of areas call it; 31 bytes.
  public init(
    byteCount: Int, _ permissions: PagePermissions = .write, alignment: Int = 4096,
    named name: AreaName = AreaName(), options: MapOptions = []
  ) throws(AddressSpaceError) {
    let pages = try Self.pages(byteCount)
    let start = try AddressSpace.shared.map(
      byteCount: pages, alignment: UInt64(truncatingIfNeeded: alignment), permissions,
      as: AreaKind(.anonymous, named: name), options: options)
    self.init(mapped: start, byteCount: Int(pages))
  }

  /// Addresses that nobody can access until `protect` allows it for a part.
  public init(
    reserving byteCount: Int, alignment: Int = 4096, named name: AreaName = AreaName()
  ) throws(AddressSpaceError) {
    let pages = try Self.pages(byteCount)
    let start = try AddressSpace.shared.reserve(
      byteCount: pages, alignment: UInt64(truncatingIfNeeded: alignment),
      as: AreaKind(.reserved, named: name))
    self.init(mapped: start, byteCount: Int(pages))
  }

  /// A file of `FileSystem`, by what `FileSystem.contents(of:)` returns. Nothing is copied before it is
  /// touched, and of a file that begins at the border of a page in memory nothing before it is written.
  /// What is written stays in this mapping. Behind the file the last page is zero.
  public init(
    contentsOf file: UnsafeRawBufferPointer, _ permissions: PagePermissions = [],
    named name: AreaName = AreaName(), options: MapOptions = []
  ) throws(AddressSpaceError) {
    let start = try AddressSpace.shared.map(
      file: PhysicalRange(
        start: PhysicalMemoryWindow.address(of: file.baseAddress), byteCount: UInt64(file.count)),
      permissions, named: name, options: options)
    self.init(mapped: start, byteCount: file.count)
  }

  /// Registers of a device, or other physical memory that is not the machine's to hand out: whole pages.
  /// All is there at once, so handlers may use it.
  public init(
    device physicalAddress: UInt64, byteCount: Int,
    _ permissions: PagePermissions = [.write, .device], named name: AreaName = AreaName()
  ) throws(AddressSpaceError) {
    let start = try AddressSpace.shared.map(
      device: PhysicalRange(start: physicalAddress, byteCount: UInt64(Swift.max(byteCount, 0))),
      permissions, named: name)
    self.init(mapped: start, byteCount: byteCount)
  }

  deinit {
    do throws(AddressSpaceError) {
      try AddressSpace.shared.unmap(at: UInt64(address), byteCount: mappedByteCount)
    } catch {
      // A part of a large promise cannot be given back without memory for a table.
      Log.error("no memory to unmap \(hex: UInt64(address)): the addresses stay taken")
    }
  }

  // MARK: Contents

  /// Runs `body` on the bytes, which are good as long as it runs.
  public borrowing func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(
      UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: address), count: byteCount))
  }

  /// Runs `body` on the bytes, to read and write them. Several threads may do so: what they write to the
  /// same bytes is theirs to order.
  public borrowing func withUnsafeMutableBytes<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(
      UnsafeMutableRawBufferPointer(
        start: UnsafeMutableRawPointer(bitPattern: address), count: byteCount))
  }

  // MARK: Changing it

  /// The addresses of a part; of everything without one.
  private borrowing func range(
    _ part: Range<Int>?
  ) throws(AddressSpaceError) -> (start: UInt64, byteCount: UInt64) {
    guard let part else { return (UInt64(address), mappedByteCount) }
    guard part.lowerBound >= 0, UInt64(part.upperBound) <= mappedByteCount else {
      throw .outOfBounds(
        start: UInt64(address) &+ UInt64(bitPattern: Int64(part.lowerBound)),
        byteCount: UInt64(part.count), lowest: UInt64(address),
        limit: UInt64(address) + mappedByteCount)
    }
    return (UInt64(address) + UInt64(part.lowerBound), UInt64(part.count))
  }

  /// Changes what the pages may be used for, of a part or of all.
  public borrowing func protect(
    _ permissions: PagePermissions, in part: Range<Int>? = nil,
    allowsWriteAndExecute: Bool = false
  ) throws(AddressSpaceError) {
    let range = try range(part)
    try AddressSpace.shared.protect(
      at: range.start, byteCount: range.byteCount, permissions,
      allowsWriteAndExecute: allowsWriteAndExecute)
  }

  /// Gets memory for all pages that have none, so that accesses do not have to; all of it, or an error.
  public borrowing func populate(in part: Range<Int>? = nil) throws(AddressSpaceError) {
    let range = try range(part)
    try AddressSpace.shared.populate(at: range.start, byteCount: range.byteCount)
  }

  /// Gives the memory back. What is accessed again is zero, of a file what is in it.
  public borrowing func discard(in part: Range<Int>? = nil) throws(AddressSpaceError) {
    let range = try range(part)
    try AddressSpace.shared.discard(at: range.start, byteCount: range.byteCount)
  }

  /// Says what is to be done with the pages soon.
  public borrowing func advise(
    _ advice: RangeAdvice, in part: Range<Int>? = nil
  ) throws(AddressSpaceError) {
    let range = try range(part)
    try AddressSpace.shared.advise(at: range.start, byteCount: range.byteCount, advice)
  }

  /// Bytes of memory that the mapping has now.
  public var residentByteCount: Int {
    var count: UInt64 = 0
    AddressSpace.shared.forEachArea(
      from: UInt64(address), to: UInt64(address) + mappedByteCount
    ) { count += $0.residentByteCount }
    return Int(count)
  }
}

extension Memory {
  /// What is mapped in the application's address space, the lowest addresses first.
  public static var areas: [AddressSpace.Area] {
    var areas: [AddressSpace.Area] = []
    AddressSpace.shared.forEachArea { areas.append($0) }
    return areas
  }

  /// Writes a line for each area to standard output, as `AddressSpace.Area` describes itself.
  public static func printAreas() {
    var text = ""
    AddressSpace.shared.writeAreas(to: &text)
    Console.write(text)
  }
}
#endif
