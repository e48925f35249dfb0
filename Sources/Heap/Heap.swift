import Boot
import Locking
import Machine
import PhysicalMemory

/// No memory for an allocation.
public enum HeapError: Error, Equatable {
  case outOfMemory(byteCount: Int)
}

/// Memory for the kernel's and the application's objects.
///
/// Small blocks come from pages that are cut into blocks of one size class, large ones are whole
/// pages. One lock around the free lists: correct on all CPUs. Not for interrupt handlers.
public struct Heap: ~Copyable, Sendable {
  /// Heads of the lists of free blocks, by size class; a free block's first word leads on.
  struct FreeLists {
    var heads = InlineArray<14, UInt>(repeating: 0)
  }

  private enum FreeListsLock: LockClass {
    typealias Context = ThreadOnly
    typealias Level = HeapLevel
    static var name: StaticString { "heap" }
  }

  private let lists = SpinLock<FreeListsLock, FreeLists>(FreeLists())

  /// A heap without memory; it takes what it needs from `FrameAllocator.shared`.
  public init() {}

  /// The heap of the machine.
  public static let shared = Heap()

  /// Takes `byteCount` bytes at a multiple of `alignment`, a power of two.
  public func allocate(
    byteCount: Int, alignment: Int
  ) throws(HeapError) -> UnsafeMutableRawPointer {
    // Blocks of a power of two are aligned to their own size.
    let needed =
      alignment <= 16
      ? Swift.max(byteCount, 1) : Swift.max(byteCount, alignment).roundedUpToPowerOfTwo
    guard needed > 0 else { throw .outOfMemory(byteCount: byteCount) }
    guard needed <= SizeClass.largestSize else {
      return try allocatePages(byteCount: Swift.max(byteCount, 1), alignment: alignment)
    }
    let sizeClass = SizeClass(holding: needed)
    let block: UInt = lists.withLock { lists in
      if lists.heads[sizeClass.index] == 0 { refill(&lists, sizeClass) }
      let head = lists.heads[sizeClass.index]
      if let block = UnsafePointer<UInt>(bitPattern: head) {
        lists.heads[sizeClass.index] = block.pointee
      }
      return head
    }
    guard let pointer = UnsafeMutableRawPointer(bitPattern: block) else {
      throw .outOfMemory(byteCount: byteCount)
    }
    return pointer
  }

  /// Gives a block back. A pointer into a page that the heap does not own is a fatal error; a small
  /// block that is given back twice is not noticed.
  public func free(_ pointer: UnsafeMutableRawPointer) {
    let address = PhysicalAddress(PhysicalMemoryWindow.address(of: pointer) & ~4095)
    guard let record = FrameAllocator.shared.record(of: address) else { return }
    if record.isUse(.slab) {
      let index = Int(record.value)
      lists.withLock { lists in
        pointer.storeBytes(of: lists.heads[index], as: UInt.self)
        lists.heads[index] = UInt(bitPattern: pointer)
      }
    } else {
      precondition(record.isUse(.run), "memory is freed that the heap did not give")
      FrameAllocator.shared.endUse(of: address)
      FrameAllocator.shared.free(address, count: Int(record.value))
    }
  }

  /// Cuts a new page into blocks; without memory the list stays empty.
  @inline(never)
  private func refill(_ lists: inout FreeLists, _ sizeClass: SizeClass) {
    guard let frame = try? FrameAllocator.shared.allocate(),
      let page = PhysicalMemoryWindow.pointer(to: frame.rawValue)
    else { return }
    FrameAllocator.shared.setUse(.slab, value: UInt32(sizeClass.index), of: frame)
    let size = sizeClass.size
    for index in (0..<4096 / size).reversed() {
      let block = page + index * size
      block.storeBytes(of: lists.heads[sizeClass.index], as: UInt.self)
      lists.heads[sizeClass.index] = UInt(bitPattern: block)
    }
  }

  @inline(never)
  private func allocatePages(
    byteCount: Int, alignment: Int
  ) throws(HeapError) -> UnsafeMutableRawPointer {
    let (rounded, overflow) = byteCount.addingReportingOverflow(4095)
    let count = rounded / 4096
    guard !overflow, count <= Int(FrameRecord.largestValue),
      let start = try? FrameAllocator.shared.allocate(
        count: count, alignment: UInt64(alignment)),
      let pointer = PhysicalMemoryWindow.pointer(to: start.rawValue)
    else { throw .outOfMemory(byteCount: byteCount) }
    FrameAllocator.shared.setUse(.run, value: UInt32(count), of: start)
    return pointer
  }
}

extension Int {
  /// The smallest power of two that is not less; 0 if it does not fit.
  fileprivate var roundedUpToPowerOfTwo: Int {
    self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount)
  }
}
