import Boot
import Machine
import PerCPU

/// The rare paths of the allocator: batches, runs, and what is done when memory runs short.
extension FrameAllocator {
  /// Takes a block of 2^`order` frames when the CPU's cache has none.
  @inline(never)
  func refillAndTake(order: Int) -> Int? {
    if isEntered || !Processor.interruptsAreEnabled && hasReserves.value != 0 {
      if order == 0, let frame = takeFromReserve() { return frame }
      if isEntered { return nil }
    }
    let found = Processor.withPreemptionDisabled { () -> Int? in
      guard FrameCache.holds(order: order), let cache = caches.currentIfInitialized else {
        return withBuddies { $0.take(order: order) }
      }
      cache.pointee.claim()
      defer { cache.pointee.release() }
      // Another thread may have run on this CPU since the stack was empty.
      var frame = cache.pointee.pop(order: order)
      if frame == nil {
        withBuddies { cache.pointee.refill(order: order, from: &$0) }
        frame = cache.pointee.pop(order: order)
        if hasReserves.value != 0 { cache.pointee.fillReserve(table) }
      }
      if let frame { table[frame] = .allocated(order: order) }
      return frame
    }
    return found ?? withEveryCacheEmpty { $0.take(order: order) }
  }

  /// Fills the reserve of the calling CPU, see `enableReserves`. When the CPU starts.
  public func fillReserve() {
    // It comes with others.
    if let frame = try? allocate() { free(frame) }
    Processor.withPreemptionDisabled {
      guard let cache = caches.currentIfInitialized else { return }
      cache.pointee.claim()
      cache.pointee.fillReserve(table)
      cache.pointee.release()
    }
  }

  /// Whether the calling CPU is in here already, and this is a page fault that came meanwhile.
  private var isEntered: Bool {
    Processor.withPreemptionDisabled { caches.currentIfInitialized?.pointee.isEntered ?? false }
  }

  private func takeFromReserve() -> Int? {
    Processor.withPreemptionDisabled { caches.currentIfInitialized?.pointee.reserve.take() }
  }

  /// Makes room in a full stack of the CPU's cache, which is claimed, for one more block; releases
  /// the claim and enables preemption. Returns true. Static, because a method's `self` would cost the
  /// hot path a register to save.
  @inline(never)
  static func drainAndPush(
    _ allocator: borrowing FrameAllocator, _ frame: Int, order: Int,
    _ cache: UnsafeMutablePointer<FrameCache>
  ) -> Bool {
    allocator.withBuddies { cache.pointee.drainHalf(order: order, to: &$0) }
    _ = cache.pointee.push(frame, order: order)
    cache.pointee.release()
    Processor.enablePreemption()
    return true
  }

  /// Takes everything back from all caches, and runs `body` while no CPU can put anything in one.
  ///
  /// What `body` does not find is not free. The caller holds no claim.
  @inline(never)
  func withEveryCacheEmpty<Result>(_ body: (inout BuddySystem) -> Result) -> Result {
    Processor.withPreemptionDisabled {
      withFaultsKeptOut {
        let count = cacheCount.value
        // In the order of the CPUs, so that of two who do this none waits for the other for ever.
        for index in 0..<count {
          caches.pointer(for: CPU(index: index)).pointee.claimFromAnywhere()
        }
        let result = withBuddies { buddies in
          for index in 0..<count {
            let cache = caches.pointer(for: CPU(index: index))
            cache.pointee.drainAll(to: &buddies)
            if hasReserves.value != 0 { cache.pointee.fillReserve(from: &buddies) }
          }
          return body(&buddies)
        }
        for index in 0..<count { caches.pointer(for: CPU(index: index)).pointee.release() }
        return result
      }
    }
  }

  /// Takes all frames back from all CPUs' caches. Waits for a CPU that is just using its cache.
  public func reclaim() { withEveryCacheEmpty { _ in } }

  // MARK: Runs

  @inline(never)
  func allocateRun(
    count: Int, alignment: UInt64, below limit: UInt64
  ) throws(FrameAllocatorError) -> PhysicalAddress {
    let unit = Int(truncatingIfNeeded: Swift.max(alignment / Self.frameSize, 1))
    guard count > 0, count <= table.frameCount, unit <= 1 << 40 else { throw .outOfFrames }
    let end = Int(truncatingIfNeeded: Swift.min(limit / Self.frameSize, 1 << 40))
    let order = Swift.max(count.roundedUpBinaryLogarithm, unit.roundedUpBinaryLogarithm)
    #if CHECKED
    if injection.fails() { throw .outOfFrames }
    #endif
    if limit == .max && count == 1 << order && FrameCache.holds(order: order),
      let start = takeFromCache(order: order) ?? refillAndTake(order: order)
    {
      return PhysicalAddress(UInt64(start) * Self.frameSize)
    }
    let find = { (buddies: inout BuddySystem) -> Int? in
      if end >= buddies.table.frameCount, order <= Self.largestOrder,
        let start = buddies.take(order: order)
      {
        buddies.trim(start, order: order, to: count)
        return start
      }
      // A block of a power of two that has to be aligned is in the lists or is not there at all.
      if end >= buddies.table.frameCount, count == unit, order <= Self.largestOrder { return nil }
      guard count <= buddies.freeCount,
        let start = buddies.firstFit(count: count, alignment: unit, limit: end),
        buddies.take(from: start, count: count)
      else { return nil }
      return start
    }
    let found = Processor.withPreemptionDisabled { withBuddies(find) }
    guard let start = found ?? withEveryCacheEmpty(find) else { throw .outOfFrames }
    return PhysicalAddress(UInt64(start) * Self.frameSize)
  }

  /// Takes these very frames, wherever in the free memory they are: also in a CPU's cache.
  ///
  /// - Throws: `unavailable` if somebody holds one of them, or one is not usable memory.
  public func allocate(
    at address: PhysicalAddress, count: Int = 1
  ) throws(FrameAllocatorError) {
    #if CHECKED
    if injection.fails() { throw .unavailable }
    #endif
    let first = Int(truncatingIfNeeded: address.rawValue / Self.frameSize)
    guard address.isPageAligned, count > 0, first < table.frameCount,
      count <= table.frameCount - first
    else { throw .unavailable }
    let take = { (buddies: inout BuddySystem) in buddies.take(from: first, count: count) }
    if Processor.withPreemptionDisabled({ withBuddies(take) }) { return }
    guard withEveryCacheEmpty(take) else { throw .unavailable }
  }

  @inline(never)
  func freeRun(_ address: PhysicalAddress, count: Int) {
    let order = Swift.max(count, 1).roundedUpBinaryLogarithm
    if count == 1 << order && FrameCache.holds(order: order) {
      switch order {
      case 0: free(address, order: 0)
      case FrameCache.largeOrder: free(address, order: FrameCache.largeOrder)
      default: free(address, order: order)
      }
    } else {
      freeSlowly(address, count: count)
    }
  }

  /// Gives frames back block by block, and divides a block of which only a part is freed.
  @inline(never)
  func freeSlowly(_ address: PhysicalAddress, count: Int) {
    let first = Int(truncatingIfNeeded: address.rawValue / Self.frameSize)
    if isEntered, count == 1 {
      // What a fault in here took from the reserve, and another CPU was faster.
      let isKept = Processor.withPreemptionDisabled {
        caches.currentIfInitialized?.pointee.reserve.put(first) ?? false
      }
      if isKept { return }
    }
    guard address.isPageAligned else { return report(.isNoFrame, at: address) }
    guard count > 0, first >= 0, first < table.frameCount, count <= table.frameCount - first else {
      return report(.isNoMemory, at: address)
    }
    let wrong = Processor.withPreemptionDisabled {
      withBuddies { buddies -> (FrameMisuse, Int)? in
        // All or nothing.
        var frame = first
        while frame < first + count {
          let block = table.block(containing: frame)
          if let misuse = FrameMisuse(freeing: block.record) { return (misuse, frame) }
          frame = block.start + 1 << block.record.order
        }
        frame = first
        while frame < first + count {
          let block = table.block(containing: frame)
          // Another CPU may free the same frames meanwhile, without this lock.
          let isTaken = table.record(block.start).pointee.compareExchange(
            expected: FrameRecord.allocated(order: block.record.order).rawValue,
            desired: FrameRecord(.interior, order: block.record.order).rawValue,
            ordering: .relaxed
          ).exchanged
          guard isTaken else { return (.isFree, frame) }
          frame = buddies.free(part: frame, upTo: first + count, of: block.start)
        }
        return nil
      }
    }
    if let wrong {
      report(wrong.0, at: PhysicalAddress(UInt64(wrong.1) * Self.frameSize))
    }
  }
}

extension BuddySystem {
  /// Frees what lies between `frame` and `end` of a held block, and makes held blocks of the rest;
  /// returns where the block or the part ends.
  mutating func free(part frame: Int, upTo end: Int, of start: Int) -> Int {
    let blockEnd = start + 1 << table[start].order
    let partEnd = Swift.min(end, blockEnd)
    var position = start
    while position < blockEnd {
      let border = position < frame ? frame : position < partEnd ? partEnd : blockEnd
      let order = Self.largestOrder(at: position, upTo: border)
      // What is freed must not look held for a moment: another CPU may free it, too.
      let isKept = position < frame || position >= partEnd
      table[position] =
        isKept ? .allocated(order: order) : FrameRecord(.interior, order: order)
      position += 1 << order
    }
    position = frame
    while position < partEnd {
      let order = table[position].order
      free(position, order: order)
      position += 1 << order
    }
    return partEnd
  }
}

extension Int {
  /// The smallest k with 2^k not less; of a positive number.
  @inline(__always)
  var roundedUpBinaryLogarithm: Int { Int.bitWidth &- (self &- 1).leadingZeroBitCount }
}
