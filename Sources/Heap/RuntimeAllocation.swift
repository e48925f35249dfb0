#if hasFeature(Embedded)
import CMachine

/// The allocation that Swift's run-time calls for objects and buffers. It cannot fail: a Swift
/// program has no way to go on.
@c(posix_memalign)
public func allocate(
  _ result: UnsafeMutablePointer<UnsafeMutableRawPointer?>, _ alignment: UInt, _ byteCount: UInt
) -> Int32 {
  guard let count = Int(exactly: byteCount),
    let pointer = try? Heap.shared.allocate(byteCount: count, alignment: Int(alignment))
  else { apus_out_of_memory(UInt64(byteCount)) }
  result.pointee = pointer
  return 0
}

/// Gives back what `posix_memalign` gave.
@c(free)
public func deallocate(_ pointer: UnsafeMutableRawPointer?) {
  if let pointer { Heap.shared.free(pointer) }
}
#endif
