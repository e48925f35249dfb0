import Boot
import Locking
import Machine
import PerCPU

/// Why a request for frames is not met.
public enum FrameAllocatorError: Error, Equatable {
  /// There are not enough free frames, or not in a row, where they have to be.
  case outOfFrames
  /// The very frames that were asked for are not free.
  case unavailable
}

/// Hands out physical memory in frames of 4 KiB: any frame, a run of them, or one certain frame.
///
/// A buddy system behind one lock has what is free; each CPU has some of it in a cache of its own,
/// in blocks of 1, 2, 4, 8 and 512 frames. Allocating and freeing such a block touches no cache line
/// of another CPU. Caches and buddy system exchange batches. Nothing is lost in caches: before
/// memory counts as used up, everything is taken back from all of them, and that nothing is free is
/// only said while all are held. Modelled in `Models/FrameCache.pml`.
///
/// 4 bytes are kept for each frame, see `FrameRecord`, and 2 KiB for each CPU.
///
/// Any CPU, thread or not, also in a page fault that came in here; not in interrupt handlers, which may have
/// interrupted their own CPU in here. The lock order is: claim of a cache (several in the order of the CPUs), lock of the buddy
/// system.
public struct FrameAllocator: ~Copyable, Sendable {
  /// Bytes in a frame.
  public static let frameSize: UInt64 = 4096
  /// The largest aligned block has 2^18 frames: 1 GiB.
  public static let largestOrder = 18

  // The lines that all CPUs read have nothing else on them.
  private let tableAddress = BootConstant<UInt64>(0)
  private let frameCount = BootConstant<Int>(0)
  let caches = CPULocal<FrameCache>()
  let cacheCount = BootConstant<Int>(0)
  let hasReserves = BootConstant<Int>(0)
  private let apart = LinePadding()

  let buddies = SpinLock<BuddyLock, BuddySystem>(BuddySystem())
  // Written with the lock of the buddy system.
  private let buddyFreeCount = Atomic<Int>(0)
  private let usableCount = Atomic<Int>(0)
  let misuses = Atomic<Int>(0)
  #if CHECKED
  let injection = FailureInjection()
  #endif

  /// An allocator without memory.
  public init() {}

  /// The allocator of the machine's memory.
  public static let shared = FrameAllocator()

  // MARK: Set-up

  /// Bytes of records that an allocator needs for memory up to `end`: 4 for each frame, and less than
  /// 200.
  public static func metadataByteCount(upTo end: UInt64) -> Int {
    recordsByteCount(upTo: end) + BuddySystem.listsByteCount
  }

  private static func recordsByteCount(upTo end: UInt64) -> Int {
    Int(end / frameSize + 1) / 2 * 8
  }

  /// Starts with all frames up to `end` taken. `metadata` holds `metadataByteCount(upTo: end)`
  /// bytes, may contain anything, and is never freed. On the boot CPU.
  ///
  /// One record in a GiB is written, the others when their memory is used for the first time: to
  /// touch all of them would cost a host page for each 4 MiB of memory.
  public func initialize(upTo end: UInt64, metadata: UnsafeMutableRawPointer) {
    let table = FrameTable(
      address: UInt(bitPattern: metadata), frameCount: Int(Swift.min(end / Self.frameSize, 1 << 32))
    )
    tableAddress.set(UInt64(table.address))
    frameCount.set(table.frameCount)
    usableCount.store(0, ordering: .relaxed)
    cacheCount.set(0)
    withBuddies {
      $0.adopt(table, lists: metadata + Self.recordsByteCount(upTo: end))
    }
  }

  /// Gives the allocator a range of usable memory below the `end` of `initialize`, which the window
  /// on physical memory shows; only whole frames count, and frame 0 is never given out. Any
  /// context but interrupts.
  public func add(_ range: PhysicalRange) {
    let first = Int((range.start.rawValue + Self.frameSize - 1) / Self.frameSize)
    let end = Swift.min(Int(range.end.rawValue / Self.frameSize), table.frameCount)
    let added = withBuddies { $0.add(from: first, to: end) }
    _ = usableCount.wrappingAdd(added, ordering: .relaxed)
  }

  /// Bytes that the caches of `count` CPUs need.
  public static func cacheByteCount(for count: Int) -> Int {
    CPULocal<FrameCache>.byteCount(for: count)
  }

  /// Gives each of `count` CPUs a cache. `storage` is aligned to 128 bytes and never freed. On the
  /// boot CPU, before any other uses the allocator; until then there is only the buddy system.
  public func enableCaches(in storage: UnsafeMutableRawPointer, count: Int) {
    caches.initialize(in: storage, count: count) { _ in FrameCache() }
    cacheCount.set(count)
  }

  /// Lets each CPU that allocates keep a few frames for page faults that come while it is in here. On the
  /// boot CPU, after `enableCaches`, before any other uses the allocator.
  public func enableReserves() { hasReserves.set(1) }

  // MARK: Allocating

  /// Takes any frame. From the CPU's cache it is some 25 instructions. The contents are whatever
  /// they were.
  @inline(__always)
  public func allocate() throws(FrameAllocatorError) -> PhysicalAddress {
    try allocate(order: 0)
  }

  /// Takes `count` frames in a row whose address is a multiple of `alignment` bytes (a power of
  /// two) and which end at or below `limit`. The contents are whatever they were.
  ///
  /// A power of two from the caches' sizes is as cheap as a frame. Other runs take the lock; with
  /// a limit, or when the run has to be put together from blocks of different sizes, the time is
  /// linear in the number of blocks there are.
  @inline(__always)
  public func allocate(
    count: Int, alignment: UInt64 = 4096, below limit: UInt64 = .max
  ) throws(FrameAllocatorError) -> PhysicalAddress {
    if count == 1 && alignment <= Self.frameSize && limit == .max {
      return try allocate(order: 0)
    }
    return try allocateRun(count: count, alignment: alignment, below: limit)
  }

  /// Takes a block of 2^`order` frames.
  @inline(__always)
  func allocate(order: Int) throws(FrameAllocatorError) -> PhysicalAddress {
    #if CHECKED
    if injection.fails() { throw .outOfFrames }
    #endif
    guard let frame = takeFromCache(order: order) ?? refillAndTake(order: order) else {
      throw .outOfFrames
    }
    return PhysicalAddress(UInt64(truncatingIfNeeded: frame) &* Self.frameSize)
  }

  /// Takes a block out of the CPU's cache, and gives it a record; `nil` if the cache has none, or
  /// another CPU is just taking all out of it. No calls: the compiler need not save registers.
  @inline(__always)
  package func takeFromCache(order: Int, as record: FrameRecord? = nil) -> Int? {
    Processor.disablePreemption()
    guard let cache = caches.currentIfInitialized, cache.pointee.claimIfFree() else {
      Processor.enablePreemption()
      return nil
    }
    let frame = cache.pointee.pop(order: order)
    if let frame { records[frame] = record ?? .allocated(order: order) }
    cache.pointee.release()
    Processor.enablePreemption()
    return frame
  }

  // MARK: Freeing

  /// Gives a frame back. To the CPU's cache it is some 30 instructions. A frame that is not held,
  /// or has more than one reference, is a fatal error in checked builds; otherwise it is counted,
  /// and nothing happens.
  @inline(__always)
  public func free(_ address: PhysicalAddress) { free(address, order: 0) }

  /// Gives `count` frames back, which may be a part of what was allocated together.
  @inline(__always)
  public func free(_ address: PhysicalAddress, count: Int) {
    if count == 1 { free(address, order: 0) } else { freeRun(address, count: count) }
  }

  /// Gives a block of 2^`order` frames back, or frames that are no such block the long way.
  @inline(__always)
  func free(_ address: PhysicalAddress, order: Int) {
    if !giveToCache(address, order: order, expecting: .allocated(order: order)) {
      freeSlowly(address, count: 1 &<< order)
    }
  }

  /// Gives a block to the CPU's cache if its record is as expected, and no other CPU is just taking
  /// all out of the cache; returns whether it did.
  @inline(__always)
  package func giveToCache(
    _ address: PhysicalAddress, order: Int, expecting record: FrameRecord
  ) -> Bool {
    // Rotated, so that what is not a multiple of the frame size is beyond all frames.
    let frame = Int(bitPattern: UInt(address.rawValue &>> 12 | address.rawValue &<< 52))
    Processor.disablePreemption()
    guard let cache = caches.currentIfInitialized,
      UInt(bitPattern: frame) < UInt(bitPattern: recordCount), cache.pointee.claimIfFree()
    else {
      Processor.enablePreemption()
      return false
    }
    // Compared and changed in one step: of two CPUs that free the same frame one is refused.
    let isFreed = records.record(frame).pointee.compareExchange(
      expected: record.rawValue, desired: FrameRecord(.cached, order: order).rawValue,
      ordering: .relaxed
    ).exchanged
    if isFreed, !cache.pointee.push(frame, order: order) {
      return Self.drainAndPush(self, frame, order: order, cache)
    }
    cache.pointee.release()
    Processor.enablePreemption()
    return isFreed
  }

  // MARK: Records

  @inline(__always)
  var table: FrameTable {
    FrameTable(
      address: UInt(tableAddress.value),
      frameCount: recordCount)
  }

  /// The same for frames that are known to have a record: one load less.
  @inline(__always)
  var records: FrameTable {
    FrameTable(address: UInt(tableAddress.value), frameCount: .max)
  }

  /// How many frames have a record.
  @inline(__always)
  var recordCount: Int { frameCount.value }

  /// Runs `body` with the lock of the buddy system. With preemption disabled or on a CPU without
  /// threads.
  @inline(__always)
  func withBuddies<Result>(_ body: (inout BuddySystem) -> Result) -> Result {
    withFaultsKeptOut {
      buddies.withLock { buddies in
        let result = body(&buddies)
        buddyFreeCount.store(buddies.freeCount, ordering: .relaxed)
        return result
      }
    }
  }

  /// Runs `body`, in which a page fault of this CPU does not wait for a lock of the allocator's.
  @inline(__always)
  func withFaultsKeptOut<Result>(_ body: () -> Result) -> Result {
    Processor.withPreemptionDisabled {
      guard let cache = caches.currentIfInitialized else { return body() }
      cache.pointee.reserve.depth.add(1)
      defer { cache.pointee.reserve.depth.add(-1) }
      return body()
    }
  }

  // MARK: Counts

  /// Frames that can be had now, those in caches included. While other CPUs allocate and free, what
  /// is on its way between a cache and the buddy system may be missing or counted twice.
  public var freeFrameCount: Int {
    var count = buddyFreeCount.load(ordering: .relaxed)
    for index in 0..<cacheCount.value {
      count += caches.pointer(for: CPU(index: index)).pointee.frameCount
    }
    return count
  }

  /// Frames that were ever given to the allocator.
  public var usableFrameCount: Int { usableCount.load(ordering: .relaxed) }
}

/// The lock of the buddy system.
enum BuddyLock: LockClass {
  typealias Context = FaultSafe
  typealias Level = FrameLevel
  static var name: StaticString { "buddies" }
}

/// Two cache lines of nothing, because CPUs fetch lines in pairs.
struct LinePadding {
  private let words:
    (
      UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64,
      UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64
    ) = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}
