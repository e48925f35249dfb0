import Machine

/// Memory for a stack, which comes page by page when it is touched, and addresses below it that nobody may
/// touch: a stack that grows too large ends in a report, not in somebody else's memory.
///
/// Stacks take no memory for page tables of their own: those of 4 KiB lie side by side, 256 in what one table
/// covers. To make and free one are some 2,000 instructions, and a fault for each page.
public struct Stack: ~Copyable {
  /// The lowest address.
  public let bottom: UnsafeMutableRawPointer
  /// Its size.
  public let byteCount: Int

  /// The address to start at: one more than the last.
  public var top: UnsafeMutableRawPointer { bottom + byteCount }

  /// Takes back what `leak` gave away.
  public init(bottom: UnsafeMutableRawPointer, byteCount: Int) {
    self.bottom = bottom
    self.byteCount = byteCount
  }

  /// Makes a stack of at least `byteCount` bytes. Where the address space may be changed.
  public static func allocate(
    byteCount: Int, named name: AreaName = AreaName()
  ) throws(AddressSpaceError) -> Stack {
    let byteCount = (Swift.max(byteCount, 1) &+ 4095) & ~4095
    guard byteCount > 0, byteCount < 1 << 39 else { throw .outOfMemory }
    #if hasFeature(Embedded)
    let size = UInt64(byteCount)
    let gap = guardByteCount(for: size)
    // A guard and a stack of the same size are aligned to both, so that they share tables with others, and
    // large ones so that they need few.
    let alignment = gap != size ? gap : size & (size &- 1) == 0 ? 2 &* size : 4096
    let start = try AddressSpace.shared.reserve(
      byteCount: gap &+ size, alignment: alignment, as: AreaKind(.guard, named: name),
      options: .forAllCPUs)
    do throws(AddressSpaceError) {
      try AddressSpace.shared.map(
        at: start &+ gap, byteCount: size, .write, as: AreaKind(.stack, named: name),
        replacing: true, options: .smallPages)
    } catch {
      remove(start, gap &+ size)
      throw error
    }
    let bottom = UnsafeMutableRawPointer(bitPattern: UInt(start &+ gap))
    return Stack(bottom: bottom.unsafelyUnwrapped, byteCount: byteCount)
    #else
    // Simulated CPUs run on the host's stacks.
    return Stack(bottom: .allocate(byteCount: byteCount, alignment: 4096), byteCount: byteCount)
    #endif
  }

  /// Gives the memory back. Not on this stack.
  public consuming func free() {
    #if hasFeature(Embedded)
    let size = UInt64(byteCount)
    let gap = Self.guardByteCount(for: size)
    Self.remove(UInt64(UInt(bitPattern: bottom)) &- gap, gap &+ size)
    #else
    bottom.deallocate()
    #endif
  }

  /// The memory stays; whoever keeps the two numbers owns it.
  public consuming func leak() -> (bottom: UnsafeMutableRawPointer, byteCount: Int) {
    (bottom, byteCount)
  }

  /// Bytes below a stack: as many as it has, up to what one entry of the second level is for. No function's
  /// frame should be larger, since no compiler probes stacks.
  private static func guardByteCount(for byteCount: UInt64) -> UInt64 {
    Swift.min(byteCount, 2 << 20)
  }

  #if hasFeature(Embedded)
  private static func remove(_ start: UInt64, _ byteCount: UInt64) {
    // Nothing is split: the whole was mapped at once. Only that needs memory.
    do throws(AddressSpaceError) {
      try AddressSpace.shared.unmap(at: start, byteCount: byteCount)
    } catch {
      fatalError("a stack cannot be taken away")
    }
  }
  #endif
}
