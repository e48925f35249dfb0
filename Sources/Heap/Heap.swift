import Boot
import Locking
import Machine
import PerCPU
import PhysicalMemory

/// No memory for an allocation.
public enum HeapError: Error, Equatable {
  case outOfMemory(byteCount: Int)
}

/// Memory for the kernel's and the application's objects.
///
/// Blocks of at most 2 KiB come from pages that are cut into blocks of one size; larger ones are whole
/// frames in a row, or of more than 1 MiB ranges of the address space. Each CPU has magazines of free blocks, one size each, so that allocating and
/// freeing takes no lock, no atomic operation, and touches no cache line of another CPU's. A block
/// is freed to whichever CPU frees it. Magazines exchange their contents with the pages in batches,
/// and a page whose blocks are all free goes back to the frame allocator, but for one of each size.
///
/// What a magazine holds is bounded, see `SizeClass.magazineLimit`; nobody but its CPU takes it out.
/// When memory runs out the CPU gives back all it has itself and asks the others to do the same when
/// they come by, see `reclaim`.
///
/// Any CPU, thread or not; not in interrupt handlers. The locks are `HeapLevel`, one for each size,
/// and nothing is taken inside of them.
public struct Heap: ~Copyable, Sendable {
  let caches = CPULocal<HeapCache>()
  private let classesAddress = BootConstant<UInt64>(0)
  private let allocatorAddress = BootConstant<UInt64>(0)
  // The allocator's records, here once more: the way of every free is shorter by a load.
  private let recordsAddress = BootConstant<UInt64>(0)
  private let recordCount = BootConstant<UInt64>(0)
  private let largeBlocks = BootConstant<Int>(0)
  /// How many CPUs have magazines.
  let cacheCount = BootConstant<Int>(0)

  /// A heap without memory: every allocation fails.
  public init() {}

  /// The heap of the machine.
  public static let shared = Heap()

  private enum SlabLock: LockClass {
    typealias Context = ThreadOnly
    typealias Level = HeapLevel
    static var name: StaticString { "heap" }
  }

  /// The pages of one block size, on cache lines of their own.
  struct Slabs: ~Copyable {
    private let lock: SpinLock<SlabLock, SlabList>

    init(_ sizeClass: SizeClass) { lock = SpinLock(SlabList(sizeClass)) }

    func withLock<Result>(_ body: (inout SlabList) -> Result) -> Result { lock.withLock(body) }

    static var stride: Int { (MemoryLayout<Slabs>.stride + 127) & ~127 }
  }

  // MARK: Set-up

  /// Bytes that a heap needs for itself and the magazines of `count` CPUs.
  public static func byteCount(for count: Int) -> Int {
    CPULocal<HeapCache>.byteCount(for: count) + Slabs.stride * SizeClass.count
  }

  /// Makes the heap usable on `count` CPUs. It takes its memory from `frames`, which stays where it
  /// is as long as the heap is used; so does `storage`, which is aligned to 128 bytes. On the boot
  /// CPU, before any other uses the heap.
  public func initialize(
    on frames: UnsafePointer<FrameAllocator>, in storage: UnsafeMutableRawPointer, count: Int
  ) {
    for index in 0..<SizeClass.count {
      (storage + index * Slabs.stride).bindMemory(to: Slabs.self, capacity: 1)
        .initialize(to: Slabs(SizeClass(index: index)))
    }
    classesAddress.set(UInt64(UInt(bitPattern: storage)))
    allocatorAddress.set(UInt64(UInt(bitPattern: frames)))
    cacheCount.set(count)
    recordsAddress.set(UInt64(frames.pointee.recordsAddress))
    recordCount.set(UInt64(frames.pointee.frameLimit))
    caches.initialize(in: storage + Slabs.stride * SizeClass.count, count: count) { _ in
      HeapCache()
    }
  }

  /// Takes what is larger than 1 MiB from the application's address space from now on. On the boot CPU, when
  /// that exists.
  public func useAddressSpace() { largeBlocks.set(1) }

  var usesAddressSpace: Bool { largeBlocks.value != 0 }

  /// The pages of one size. Only after `initialize`.
  func slabs(_ sizeClass: SizeClass) -> UnsafeMutablePointer<Slabs> {
    let address = UInt(classesAddress.value)
    return UnsafeMutablePointer(
      bitPattern: address &+ UInt(bitPattern: sizeClass.index &* Slabs.stride)
    ).unsafelyUnwrapped
  }

  /// Where frames come from; `nil` before `initialize`.
  @inline(__always)
  var frames: UnsafePointer<FrameAllocator>? {
    UnsafePointer(bitPattern: UInt(allocatorAddress.value))
  }

  // MARK: Allocating

  /// Takes `byteCount` bytes at a multiple of `alignment`, a power of two. From a magazine it is some
  /// 20 instructions.
  @inline(__always)
  public func allocate(
    byteCount: Int, alignment: Int
  ) throws(HeapError) -> UnsafeMutableRawPointer {
    guard let block = allocateOrNil(byteCount: byteCount, alignment: alignment) else {
      throw .outOfMemory(byteCount: byteCount)
    }
    return block
  }

  /// The same with `nil` for an error.
  @inline(__always)
  public func allocateOrNil(byteCount: Int, alignment: Int) -> UnsafeMutableRawPointer? {
    guard alignment <= 16 else {
      return Self.allocateAligned(self, byteCount: byteCount, alignment: alignment)
    }
    return allocateOrNil(byteCount: byteCount)
  }

  /// Takes `byteCount` bytes at a multiple of 16, or `nil`.
  @inline(__always)
  public func allocateOrNil(byteCount: Int) -> UnsafeMutableRawPointer? {
    guard UInt(bitPattern: byteCount) <= UInt(bitPattern: SizeClass.largestSize) else {
      return Self.allocatePages(self, byteCount: byteCount, alignment: 16)
    }
    let sizeClass = SizeClass(holding: byteCount)
    Processor.disablePreemption()
    if let cache = caches.currentIfInitialized {
      let magazine = cache.magazine(sizeClass)
      if let block = UnsafeMutableRawPointer(bitPattern: magazine.pointee.head) {
        magazine.pointee.head = block.load(as: UInt.self)
        magazine.pointee.room &+= 1
        Processor.enablePreemption()
        #if CHECKED
        unmark(block)
        #endif
        return block
      }
    }
    Processor.enablePreemption()
    return Self.refillAndTake(self, sizeClass)
  }

  // MARK: Freeing

  /// Gives a block back. To a magazine it is some 25 instructions. A pointer that is no block's is a
  /// fatal error; a block that is free already is one in checked builds.
  @inline(__always)
  public func free(_ pointer: UnsafeMutableRawPointer?) {
    // A null pointer needs no test here: frame 0 is no page of the heap.
    let frame = PhysicalMemoryWindow.address(of: pointer) &>> 12
    guard frame < recordCount.value else { return Self.freePages(self, pointer) }
    let records = UnsafePointer<Atomic<UInt32>>(
      bitPattern: UInt(recordsAddress.value)
    ).unsafelyUnwrapped
    let record = records[Int(truncatingIfNeeded: frame)].load(ordering: .relaxed)
    guard UInt8(truncatingIfNeeded: record) == FrameUse.slab.lowByte else {
      return Self.freePages(self, pointer)
    }
    let sizeClass = SlabList.Page.sizeClass(ofRecord: record)
    #if CHECKED
    mark(pointer.unsafelyUnwrapped, sizeClass)
    #endif
    Processor.disablePreemption()
    // There are magazines, or there would be no such page.
    let cache = caches.currentIfInitialized.unsafelyUnwrapped
    let magazine = cache.magazine(sizeClass)
    // Not null, for the same reason.
    pointer.unsafelyUnwrapped.storeBytes(of: magazine.pointee.head, as: UInt.self)
    magazine.pointee.head = UInt(bitPattern: pointer)
    magazine.pointee.room &-= 1
    if magazine.pointee.room < 0 { return Self.makeRoom(self, sizeClass, cache) }
    Processor.enablePreemption()
  }

  /// How many bytes a block has, which is at least what was asked for; all of them may be used.
  public func usableSize(of pointer: UnsafeRawPointer) -> Int {
    if usesAddressSpace, let block = LargeBlock(at: pointer) { return block.byteCount }
    let address = PhysicalAddress(PhysicalMemoryWindow.address(of: pointer))
    guard let record = frames?.pointee.record(of: address) else { return 0 }
    if record.isUse(.slab) { return SlabList.Page(record.value).sizeClass.size }
    return record.isUse(.run) ? Int(record.value) * 4096 : 0
  }
}
