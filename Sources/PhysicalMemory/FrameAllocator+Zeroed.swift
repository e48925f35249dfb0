import Boot
import Machine
import PerCPU

/// Frames of zeroes. Each CPU keeps some that it has zeroed while it was idle.
extension FrameAllocator {
  /// Takes a frame of zeros: one that was zeroed ahead, see `zeroAhead`, or zeroes one.
  public func allocateZeroed() throws(FrameAllocatorError) -> PhysicalAddress {
    let zeroed = Processor.withPreemptionDisabled { () -> Int? in
      guard let cache = caches.currentIfInitialized, cache.pointee.claimIfFree() else { return nil }
      defer { cache.pointee.release() }
      cache.pointee.wantsZeroed.store(1, ordering: .relaxed)
      guard let frame = cache.pointee.zeroed.pop() else { return nil }
      cache.pointee.zeroed.allocations.add(1)
      table[frame] = .allocated(order: 0)
      return frame
    }
    if let zeroed { return PhysicalAddress(UInt64(zeroed) * Self.frameSize) }
    let frame = try allocate()
    zero(frame)
    return frame
  }

  /// Takes `count` zeroed frames in a row, a power of two, whose address is a multiple of their size.
  public func allocateZeroed(count: Int) throws(FrameAllocatorError) -> PhysicalAddress {
    let start = try allocate(count: count, alignment: UInt64(count) * Self.frameSize)
    zero(start, count: count)
    return start
  }

  /// Zeroes one of the frames that the calling CPU has at hand, if it has used some that were zeroed ahead, or
  /// wanted to; returns whether there may be another one to zero. For a CPU that has nothing else to do: some
  /// 600 instructions, with interrupts as they are. It ends within 80 once `isNeeded` says that the CPU is wanted.
  ///
  /// The frame stays free meanwhile: only who wants all frames of all CPUs waits for the end. No frames are
  /// taken from others, or from the buddy system, so an idle CPU meets none.
  @inline(__always)
  public func zeroAhead(unless isNeeded: () -> Bool = { false }) -> Bool {
    Processor.withPreemptionDisabled {
      guard let cache = caches.currentIfInitialized,
        cache.pointee.wantsZeroed.load(ordering: .relaxed) != 0
      else { return false }
      return Self.zeroOne(of: cache, unless: isNeeded)
    }
  }

  @inline(never)
  private static func zeroOne(
    of cache: UnsafeMutablePointer<FrameCache>, unless isNeeded: () -> Bool
  ) -> Bool {
    cache.pointee.claim()
    defer { cache.pointee.release() }
    guard let frame = cache.pointee.frameToZero else { return false }
    let partSize = frameSize / 8
    for part in 0..<UInt64(8) {
      if isNeeded() { return true }
      PhysicalMemoryWindow.zero(
        UInt64(frame) * frameSize + part * partSize, byteCount: Int(partSize))
    }
    cache.pointee.keepZeroed(frame)
    return true
  }

  private func zero(_ address: PhysicalAddress, count: Int = 1) {
    PhysicalMemoryWindow.zero(address.rawValue, byteCount: count * Int(Self.frameSize))
  }
}
