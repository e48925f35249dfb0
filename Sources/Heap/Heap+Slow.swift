import Boot
import Machine
import PerCPU
import PhysicalMemory

/// The rare paths of the heap: batches, whole pages, and what is done when memory runs short. Those
/// that the hot paths end in are static: a method's `self` would have to be kept in a register there.
extension Heap {
  /// Takes a block when the magazine in use has none: from the spare one, from the pages, or from a
  /// new page.
  @inline(never)
  static func refillAndTake(
    _ heap: borrowing Heap, _ sizeClass: SizeClass
  ) -> UnsafeMutableRawPointer? {
    if let block = heap.refillAndTakeOnce(sizeClass) { return block }
    guard heap.frames != nil else { return nil }
    // What other sizes have may make a page free.
    heap.reclaim()
    return heap.refillAndTakeOnce(sizeClass)
  }

  private func refillAndTakeOnce(_ sizeClass: SizeClass) -> UnsafeMutableRawPointer? {
    guard let frames else { return nil }
    return Processor.withPreemptionDisabled { () -> UnsafeMutableRawPointer? in
      guard let cache = caches.currentIfInitialized else { return nil }
      if cache.pointee.isWanted.load(ordering: .relaxed) != 0 { giveBackAll(cache) }
      let magazine = cache.magazine(sizeClass)
      // Another thread may have run on this CPU since the magazine was empty.
      if magazine.pointee.head == 0 {
        let spare = cache.spare(sizeClass)
        if spare.pointee.head != 0 {
          swap(&magazine.pointee, &spare.pointee)
        } else {
          let limit = sizeClass.magazineLimit
          slabs(sizeClass).pointee.withLock { $0.take(limit, into: &magazine.pointee, frames) }
          if magazine.pointee.head == 0 { cutPage(sizeClass, &magazine.pointee, frames) }
        }
      }
      guard let block = UnsafeMutableRawPointer(bitPattern: magazine.pointee.head) else {
        return nil
      }
      magazine.pointee.head = block.load(as: UInt.self)
      magazine.pointee.room &+= 1
      #if CHECKED
      unmark(block)
      #endif
      return block
    }
  }

  /// Puts all blocks of a new page into an empty magazine, the lowest first; without a frame nothing
  /// happens.
  private func cutPage(
    _ sizeClass: SizeClass, _ magazine: inout Magazine, _ frames: UnsafePointer<FrameAllocator>
  ) {
    guard let frame = try? frames.pointee.allocate(),
      let page = PhysicalMemoryWindow.pointer(to: frame.rawValue)
    else { return }
    frames.pointee.setUse(
      .slab, value: SlabList.Page(sizeClass: sizeClass, freeCount: 0, firstFree: 0).value,
      of: frame)
    let size = sizeClass.size
    let count = sizeClass.blocksPerPage
    var next = magazine.head
    var block = page + count &* size
    while block > page {
      block -= size
      block.storeBytes(of: next, as: UInt.self)
      next = UInt(bitPattern: block)
      #if CHECKED
      setMark(block)
      #endif
    }
    magazine.head = next
    magazine.room &-= count
  }

  /// Empties a magazine that has a block too many: it becomes the spare one, and what was that goes
  /// back to its pages. Enables preemption at the end.
  @inline(never)
  static func makeRoom(
    _ heap: borrowing Heap, _ sizeClass: SizeClass, _ cache: UnsafeMutablePointer<HeapCache>
  ) {
    if cache.pointee.isWanted.load(ordering: .relaxed) != 0 {
      heap.giveBackAll(cache)
    } else {
      let magazine = cache.magazine(sizeClass)
      swap(&magazine.pointee, &cache.spare(sizeClass).pointee)
      heap.giveBack(sizeClass, &magazine.pointee)
    }
    Processor.enablePreemption()
  }

  /// Puts a magazine's blocks into their pages, and frees the pages that this makes empty.
  private func giveBack(_ sizeClass: SizeClass, _ magazine: inout Magazine) {
    guard magazine.head != 0, let frames else { return }
    let empties = slabs(sizeClass).pointee.withLock { $0.give(magazine.head, frames) }
    magazine.head = 0
    magazine.room = sizeClass.magazineLimit
    freeFrames(empties)
  }

  private func giveBackAll(_ cache: UnsafeMutablePointer<HeapCache>) {
    cache.pointee.isWanted.store(0, ordering: .relaxed)
    for index in 0..<SizeClass.count {
      let sizeClass = SizeClass(index: index)
      giveBack(sizeClass, &cache.magazine(sizeClass).pointee)
      giveBack(sizeClass, &cache.spare(sizeClass).pointee)
    }
  }

  private func freeFrames(_ list: UInt) {
    guard let frames else { return }
    var list = list
    while let page = UnsafeMutableRawPointer(bitPattern: list) {
      list = page.load(as: UInt.self)
      let frame = PhysicalAddress(PhysicalMemoryWindow.address(of: page))
      frames.pointee.endUse(of: frame)
      frames.pointee.free(frame)
    }
  }

  // MARK: Giving memory back

  /// Gives all that this CPU's magazines have back, and all empty pages; asks the other CPUs to give
  /// back theirs, which they do when a magazine of theirs is full or empty, or in `answerReclaim`.
  /// When every CPU has called this and then one again, free frames are all that are not in use.
  public func reclaim() {
    guard let frames else { return }
    Processor.withPreemptionDisabled {
      guard let own = caches.currentIfInitialized else { return }
      for index in 0..<cacheCount.value {
        let cache = caches.pointer(for: CPU(index: index))
        if cache != own { cache.pointee.isWanted.store(1, ordering: .relaxed) }
      }
      giveBackAll(own)
      for index in 0..<SizeClass.count {
        freeFrames(slabs(SizeClass(index: index)).pointee.withLock { $0.takeEmpties(frames) })
      }
    }
  }

  /// Gives this CPU's blocks back if another one has asked for it: for a CPU that has nothing to do.
  @inline(__always)
  public func answerReclaim() {
    let isWanted = Processor.withPreemptionDisabled {
      caches.currentIfInitialized.map { $0.pointee.isWanted.load(ordering: .relaxed) != 0 } ?? false
    }
    if isWanted { reclaimOwn() }
  }

  @inline(never)
  private func reclaimOwn() {
    Processor.withPreemptionDisabled {
      if let own = caches.currentIfInitialized { giveBackAll(own) }
    }
  }

  // MARK: Pages

  /// Takes a block whose alignment is more than 16.
  @inline(never)
  static func allocateAligned(
    _ heap: borrowing Heap, byteCount: Int, alignment: Int
  ) -> UnsafeMutableRawPointer? {
    guard byteCount >= 0 else { return nil }
    // Blocks of a power of two are aligned to their own size.
    let size = Swift.max(byteCount, alignment).roundedUpToPowerOfTwo
    guard size > 0 else { return nil }
    return size <= SizeClass.largestSize
      ? heap.allocateOrNil(byteCount: size)
      : allocatePages(heap, byteCount: Swift.max(byteCount, 1), alignment: alignment)
  }

  /// The record of a block that is one frame.
  @inline(__always)
  private static var oneFrame: FrameRecord { FrameRecord(.run, order: 0, value: 1) }

  /// Takes whole frames in a row. One frame from the CPU's cache is some 40 instructions.
  @inline(never)
  static func allocatePages(
    _ heap: borrowing Heap, byteCount: Int, alignment: Int
  ) -> UnsafeMutableRawPointer? {
    #if !CHECKED
    // Checked builds let allocations fail: the long way has all of those.
    if byteCount &- 1 < 4096 && byteCount > 0 && alignment <= 4096, let frames = heap.frames,
      let frame = frames.pointee.takeFromCache(order: 0, as: oneFrame)
    {
      return PhysicalMemoryWindow.pointer(to: UInt64(truncatingIfNeeded: frame) &<< 12)
    }
    #endif
    return allocateRun(heap, byteCount: byteCount, alignment: alignment)
  }

  @inline(never)
  private static func allocateRun(
    _ heap: borrowing Heap, byteCount: Int, alignment: Int
  ) -> UnsafeMutableRawPointer? {
    if heap.usesAddressSpace && byteCount > LargeBlock.threshold && alignment <= 1 << 30 {
      return heap.allocateLarge(byteCount, alignment)
    }
    let (rounded, overflow) = byteCount.addingReportingOverflow(4095)
    let count = rounded &>> 12
    guard !overflow, byteCount > 0, count <= Int(FrameRecord.largestValue),
      let frames = heap.frames
    else { return nil }
    guard
      let start = (try? frames.pointee.allocate(count: count, alignment: UInt64(alignment)))
        ?? heap.reclaimAndAllocate(count: count, alignment: UInt64(alignment), frames)
    else { return nil }
    frames.pointee.setUse(.run, value: UInt32(truncatingIfNeeded: count), of: start)
    return PhysicalMemoryWindow.pointer(to: start.rawValue)
  }

  @inline(never)
  private func reclaimAndAllocate(
    count: Int, alignment: UInt64, _ frames: UnsafePointer<FrameAllocator>
  ) -> PhysicalAddress? {
    // More than there is: no need to disturb the others.
    guard count <= frames.pointee.usableFrameCount else { return nil }
    reclaim()
    return try? frames.pointee.allocate(count: count, alignment: alignment)
  }

  private func allocateLarge(_ byteCount: Int, _ alignment: Int) -> UnsafeMutableRawPointer? {
    // More than there is: no need to disturb the others.
    guard let frames, byteCount / 4096 < frames.pointee.usableFrameCount,
      let need = LargeBlock.Need(byteCount: byteCount, alignment: alignment)
    else { return nil }
    let kept = caches.withCurrent { $0.keptRanges.take(need) }
    if let block = LargeBlock.allocate(need, in: kept) { return block }
    reclaim()
    return LargeBlock.allocate(need, in: nil)
  }

  private func freeLarge(_ block: LargeBlock) {
    block.free { range in
      let before = caches.withCurrent { $0.keptRanges.exchange(range) }
      if before.byteCount != 0 { LargeBlock.release(before) }
      return true
    }
  }

  /// Gives back the addresses that this CPU keeps. Not in interrupts, with no lock held.
  public func releaseKeptRanges() {
    guard usesAddressSpace else { return }
    for _ in 0..<4 {
      let range = caches.withCurrent { $0.keptRanges.exchange(LargeBlock.Range()) }
      if range.byteCount != 0 { LargeBlock.release(range) }
    }
  }

  /// Makes a block larger or smaller where it is; returns whether that was possible. What stays of the
  /// contents is as it was.
  public func resize(_ pointer: UnsafeMutableRawPointer, to byteCount: Int) -> Bool {
    if usesAddressSpace, let block = LargeBlock(at: pointer) { return block.resize(to: byteCount) }
    let size = usableSize(of: pointer)
    // A block that is not much too large stays.
    return byteCount <= size && byteCount >= size / 2
  }

  /// Frees what is in no page of small blocks.
  @inline(never)
  static func freePages(_ heap: borrowing Heap, _ pointer: UnsafeMutableRawPointer?) {
    guard let pointer else { return }
    let address = PhysicalAddress(PhysicalMemoryWindow.address(of: pointer))
    if let frames = heap.frames,
      frames.pointee.giveToCache(address, order: 0, expecting: oneFrame)
    {
      return
    }
    if heap.usesAddressSpace, let block = LargeBlock(at: pointer) { return heap.freeLarge(block) }
    freeRun(heap, address)
  }

  @inline(never)
  private static func freeRun(_ heap: borrowing Heap, _ address: PhysicalAddress) {
    guard let frames = heap.frames, let record = frames.pointee.record(of: address),
      record.isUse(.run), address.isPageAligned
    else {
      #if CHECKED
      MemoryMisuse.stop("memory is freed that the heap did not give", at: address.rawValue)
      #else
      fatalError()
      #endif
    }
    frames.pointee.endUse(of: address)
    frames.pointee.free(address, count: Int(record.value))
  }

  // MARK: Checks

  #if CHECKED
  /// What is in the last 4 of the first 16 bytes of a free block.
  private func mark(of block: UnsafeRawPointer) -> UInt32 {
    UInt32(truncatingIfNeeded: PhysicalMemoryWindow.address(of: block) &>> 4) &* 0x9E37_79B1
      ^ 0x5F4E_EB10
  }

  private static var markOffset: Int { 12 }

  func setMark(_ block: UnsafeMutableRawPointer) {
    block.storeBytes(of: mark(of: block), toByteOffset: Self.markOffset, as: UInt32.self)
  }

  func unmark(_ block: UnsafeMutableRawPointer) {
    if block.load(fromByteOffset: Self.markOffset, as: UInt32.self) != mark(of: block) {
      MemoryMisuse.stop(
        "a free block was written to", at: PhysicalMemoryWindow.address(of: block))
    }
    block.storeBytes(of: 0, toByteOffset: Self.markOffset, as: UInt32.self)
  }

  /// Sees to it that a block is one, and is not free.
  func mark(_ block: UnsafeMutableRawPointer, _ sizeClass: SizeClass) {
    let address = PhysicalMemoryWindow.address(of: block)
    let offset = Int(address & 4095)
    if offset % sizeClass.size != 0 || offset / sizeClass.size >= sizeClass.blocksPerPage {
      MemoryMisuse.stop("memory is freed inside of a block", at: address)
    }
    if block.load(fromByteOffset: Self.markOffset, as: UInt32.self) == mark(of: block) {
      MemoryMisuse.stop("a block is freed that is free already", at: address)
    }
    setMark(block)
  }
  #endif
}

extension Int {
  /// The smallest power of two that is not less; 0 if it does not fit.
  fileprivate var roundedUpToPowerOfTwo: Int {
    self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount)
  }
}
