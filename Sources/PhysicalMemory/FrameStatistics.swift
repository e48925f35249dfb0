import Machine
import PerCPU

/// What a frame allocator has and did, as numbers to print. A snapshot: while other CPUs allocate,
/// the numbers need not add up.
public struct FrameStatistics: Sendable {
  /// Frames that were given to the allocator.
  public var usableFrameCount = 0
  /// Frames that can be had, those in caches included.
  public var freeFrameCount = 0
  /// Free blocks of 2^index frames in the buddy system.
  public var freeBlockCounts = InlineArray<19, Int>(repeating: 0)
  /// How often frames were given back that could not be.
  public var misuseCount = 0
}

/// What one CPU has in its cache and did with it.
public struct FrameCacheStatistics: Sendable {
  /// The blocks of one size.
  public struct Size: Sendable {
    /// A block has 2^`order` frames.
    public var order = 0
    /// Blocks that are in the cache.
    public var cached = 0
    /// Blocks that were allocated from the cache.
    public var allocations = 0
    /// Blocks that were freed into the cache.
    public var frees = 0
    /// Blocks that came from the buddy system.
    public var refilled = 0
    /// Blocks that went back to the buddy system.
    public var drained = 0

    /// Nothing.
    public init() {}

    init<let capacity: Int>(_ stack: borrowing FrameStack<capacity>, order: Int) {
      self.order = order
      cached = stack.count.load(ordering: .relaxed)
      allocations = stack.allocations.load(ordering: .relaxed)
      refilled = stack.refilled.load(ordering: .relaxed)
      drained = stack.drained.load(ordering: .relaxed)
      // What is there came from somewhere: one counter less on the way of every free.
      frees = Swift.max(cached + allocations + drained - refilled, 0)
    }
  }

  /// Single frames, blocks of 2, 4, 8 and 512 frames, and frames that were zeroed ahead.
  public var sizes: InlineArray<6, Size>
}

extension FrameAllocator {
  /// What there is, by size of block. Takes the lock.
  public var statistics: FrameStatistics {
    var result = FrameStatistics()
    result.usableFrameCount = usableFrameCount
    result.freeFrameCount = freeFrameCount
    result.misuseCount = misuseCount
    withBuddies { buddies in
      for order in 0...Self.largestOrder {
        result.freeBlockCounts[order] = buddies.blockCount(order: order)
      }
    }
    return result
  }

  /// What a CPU's cache has and did; `nil` if the CPU has none. No lock.
  public func statistics(of cpu: CPU) -> FrameCacheStatistics? {
    guard cpu.index < cacheCount.value else { return nil }
    let cache = caches.pointer(for: cpu)
    return FrameCacheStatistics(sizes: [
      .init(cache.pointee.singles, order: 0), .init(cache.pointee.pairs, order: 1),
      .init(cache.pointee.fours, order: 2), .init(cache.pointee.eights, order: 3),
      .init(cache.pointee.large, order: FrameCache.largeOrder),
      .init(cache.pointee.zeroed, order: 0),
    ])
  }
}
