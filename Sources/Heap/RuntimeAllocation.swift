#if hasFeature(Embedded)
import CMachine

/// What Swift's run-time calls for objects and buffers, by the name of `posix_memalign`. It cannot
/// fail: a Swift program has no way to go on.
@c(apus_heap_allocate)
public func allocate(_ alignment: UInt64, _ byteCount: UInt64) -> UnsafeMutableRawPointer {
  guard
    let block = Heap.shared.allocateOrNil(
      byteCount: Int(truncatingIfNeeded: byteCount), alignment: Int(truncatingIfNeeded: alignment))
  else { apus_out_of_memory(byteCount) }
  return block
}

/// The same for C, which is told when there is no memory.
@c(apus_heap_allocate_aligned)
public func allocateAligned(_ alignment: UInt64, _ byteCount: UInt64) -> UnsafeMutableRawPointer? {
  Heap.shared.allocateOrNil(
    byteCount: Int(truncatingIfNeeded: byteCount), alignment: Int(truncatingIfNeeded: alignment))
}

/// `malloc`.
@c(apus_heap_allocate_block)
public func allocateBlock(_ byteCount: UInt64) -> UnsafeMutableRawPointer? {
  Heap.shared.allocateOrNil(byteCount: Int(truncatingIfNeeded: byteCount))
}

/// `free`.
@c(apus_heap_free)
public func deallocate(_ pointer: UnsafeMutableRawPointer?) {
  Heap.shared.free(pointer)
}

/// Whether `realloc` is done where the block is.
@c(apus_heap_resize)
public func resize(_ pointer: UnsafeMutableRawPointer?, _ byteCount: UInt64) -> UInt64 {
  guard let pointer, byteCount <= UInt64(Int.max) else { return 0 }
  return Heap.shared.resize(pointer, to: Int(byteCount)) ? 1 : 0
}

/// `malloc_usable_size`.
@c(apus_heap_usable_size)
public func usableSize(_ pointer: UnsafeMutableRawPointer?) -> UInt64 {
  pointer.map { UInt64(Heap.shared.usableSize(of: $0)) } ?? 0
}
#endif
