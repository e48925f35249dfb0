import Boot
import Machine

extension FrameAllocator {
  /// Whether a range has a byte of memory that was given to this allocator, free or not. Under the lock of
  /// the buddy system; at most 20 steps for each block of the range.
  public func owns(anyOf range: PhysicalRange) -> Bool {
    var frame = Int(truncatingIfNeeded: range.start.rawValue / Self.frameSize)
    let last = (range.end.rawValue &+ Self.frameSize &- 1) / Self.frameSize
    return Processor.withPreemptionDisabled {
      withBuddies { buddies in
        let end = Int(truncatingIfNeeded: Swift.min(last, UInt64(buddies.table.frameCount)))
        while frame < end {
          let block = buddies.table.block(containing: frame)
          if !block.record.isKind(.hole) { return true }
          frame = block.start + 1 << block.record.order
        }
        return false
      }
    }
  }
}
