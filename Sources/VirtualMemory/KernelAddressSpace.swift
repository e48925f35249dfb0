import Boot
import Locking
import Machine
import PhysicalMemory

/// The one address space: all physical memory at its own addresses, and stacks with guard pages
/// in a region of their own.
///
/// One lock; changes are made while only the boot CPU runs or to addresses that no CPU has used
/// yet, so that no other CPU has to be told.
public struct KernelAddressSpace: ~Copyable, Sendable {
  struct State {
    var nextStack = KernelAddressSpace.stackRegion
  }

  private enum StateLock: LockClass {
    typealias Context = ThreadOnly
    typealias Level = AddressSpaceLevel
    static var name: StaticString { "address space" }
  }

  private let state = SpinLock<StateLock, State>(State())
  // Reports read it without the lock.
  private let root = BootConstant<UInt64>(0)

  init() {}

  /// The address space of the machine.
  public static let shared = KernelAddressSpace()

  /// Where stacks are: far above any physical memory, below the top bits that Swift uses.
  private static let stackRegion: UInt64 = 0x1000_0000_0000
  /// All physical memory is seen below this address.
  static var endOfPhysicalMemory: UInt64 { stackRegion }
  /// One more than their last address: all are below one entry of the root, which is there when the
  /// first root of a CPU is made.
  private static let stackRegionEnd =
    stackRegion + PageTableFormat.span(level: PageTableFormat.rootLevel)
  /// What is left unmapped below a stack: no compiler probes stacks, so a function's frame should
  /// not be larger.
  public static let stackGap: UInt64 = 512 << 10

  /// Takes over the tables in use, at physical address `root`.
  public func adopt(root: UInt64) { self.root.set(root) }

  private var table: PageTable { PageTable(root: root.value) }

  /// The physical address of the root with which there is only the kernel's part.
  var rootAddress: UInt64 { root.value }

  /// Copies the entries of the kernel's part to the root of another tree. When all of them are there:
  /// after the first stack was made and all memory is mapped.
  func copyEntries(to other: PrivateTable) {
    guard root.value != 0 else { return }
    let own = PrivateTable(root.value, of: other.frames)
    let level = PageTableFormat.rootLevel
    for index in 0..<PageTableFormat.index(of: AddressSpace.localAddresses, level: level) {
      other[index] = own[index]
    }
  }

  /// Gives a range of addresses other permissions. Page borders.
  public func protect(
    _ range: PhysicalRange, _ permissions: PagePermissions
  ) throws(FrameAllocatorError) {
    try set(range, .same(permissions))
  }

  /// Takes a range of addresses out: every access to it traps.
  public func unmap(_ range: PhysicalRange) throws(FrameAllocatorError) {
    try set(range, .nothing)
  }

  /// Maps physical memory at its own addresses.
  public func mapPhysical(
    _ range: PhysicalRange, _ permissions: PagePermissions
  ) throws(FrameAllocatorError) {
    try set(range, .physical(distance: 0, permissions))
  }

  private func set(
    _ range: PhysicalRange, _ mapping: PageTable.Mapping
  ) throws(FrameAllocatorError) {
    try state.withLock { _ throws(FrameAllocatorError) in
      try table.set(from: range.start.rawValue, to: range.end.rawValue, mapping)
    }
  }

  /// Memory for a stack: `top` is the address to start at.
  public struct Stack: Sendable {
    /// The lowest address; below it nothing is mapped.
    public let bottom: UInt
    /// The address to start at.
    public let top: UInt
  }

  /// Makes a stack of `byteCount` bytes with `gap` bytes of nothing below it, both whole pages. On error nothing stays allocated but page tables, which the next stack uses.
  public func makeStack(
    byteCount: UInt64, gap: UInt64 = stackGap
  ) throws(FrameAllocatorError) -> Stack {
    try state.withLock { state throws(FrameAllocatorError) in
      let count = Int(byteCount / FrameAllocator.frameSize)
      let frames = try FrameAllocator.shared.allocate(count: count)
      let bottom = state.nextStack + gap
      let top = bottom + byteCount
      guard top <= Self.stackRegionEnd else {
        FrameAllocator.shared.free(frames, count: count)
        throw .outOfFrames
      }
      do throws(FrameAllocatorError) {
        // Pages of 4 KiB only: the frames need not be aligned to more.
        try table.set(
          from: bottom, to: top, .physical(distance: frames.rawValue &- bottom, .write),
          largestLevel: 0)
      } catch {
        // What was mapped before the frames ran out. This cannot fail: nothing is split.
        try table.set(from: bottom, to: top, .nothing)
        FrameAllocator.shared.free(frames, count: count)
        throw error
      }
      state.nextStack = top
      return Stack(bottom: UInt(bottom), top: UInt(top))
    }
  }

  /// Whether a word can be read at `address`. Without the lock: for reports of a machine that has
  /// come to a halt.
  public func isMapped(_ address: UInt) -> Bool {
    address < 1 << 47 && table.lookUp(UInt64(address)).entry.isPresent
  }

  /// Whether `address` lies where the stacks are: a fault there is an overflow into the gap
  /// below one.
  public static func isStackRegion(_ address: UInt) -> Bool {
    UInt64(address) >= stackRegion && UInt64(address) < stackRegionEnd
  }
}
