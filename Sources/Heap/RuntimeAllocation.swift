#if hasFeature(Embedded)
import CMachine

/// The allocation that Swift's run-time calls for objects and buffers. It cannot fail: a Swift
/// program has no way to go on.
@c(apus_heap_allocate)
public func allocate(_ alignment: UInt64, _ byteCount: UInt64) -> UnsafeMutableRawPointer {
  guard let count = Int(exactly: byteCount),
    let pointer = try? Heap.shared.allocate(byteCount: count, alignment: Int(alignment))
  else { apus_out_of_memory(byteCount) }
  return pointer
}

/// Gives back what `apus_heap_allocate` gave.
@c(apus_heap_free)
public func deallocate(_ pointer: UnsafeMutableRawPointer?) {
  if let pointer { Heap.shared.free(pointer) }
}
#endif
