import Boot
import Machine

/// Frames in a row that are given back together, whatever they were allocated as.
extension FrameAllocator {
  /// Rows up to this length go to the CPU's cache, for those who come next.
  private static let cachedRowLimit = 16

  /// Gives `count` frames in a row back, each of which may have been allocated alone or with others.
  /// Long rows of single frames are some 10 instructions for each, with the lock of the buddy system.
  @inline(__always)
  public func freeEach(_ address: PhysicalAddress, count: Int) {
    if count == 1 { free(address, order: 0) } else { freeRow(address, count: count) }
  }

  @inline(never)
  private func freeRow(_ address: PhysicalAddress, count: Int) {
    var frame = Int(truncatingIfNeeded: address.rawValue / Self.frameSize)
    let end = frame + count
    guard address.isPageAligned, frame >= 0, frame < table.frameCount,
      count <= table.frameCount - frame
    else { return freeSlowly(address, count: count) }
    while frame < end {
      let position = PhysicalAddress(UInt64(frame) * Self.frameSize)
      let record = table[frame]
      let size = 1 << record.order
      if record == .allocated(order: 0) {
        if end - frame > Self.cachedRowLimit {
          frame = freeSingles(from: frame, to: end)
        } else {
          free(position, order: 0)
          frame += 1
        }
      } else if record == .allocated(order: record.order) && size <= end - frame {
        freeRun(position, count: size)
        frame += size
      } else {
        // A part of a block.
        return freeSlowly(position, count: end - frame)
      }
    }
  }

  /// Frees frames that were allocated alone, up to the first one that was not; returns where it is.
  private func freeSingles(from first: Int, to end: Int) -> Int {
    Processor.withPreemptionDisabled {
      withBuddies { buddies in
        var frame = first
        while frame < end {
          // Another CPU may free the same frames meanwhile, without this lock.
          let isTaken = records.record(frame).pointee.compareExchange(
            expected: FrameRecord.allocated(order: 0).rawValue,
            desired: FrameRecord(.interior, order: 0).rawValue, ordering: .relaxed
          ).exchanged
          if !isTaken { break }
          frame &+= 1
        }
        buddies.free(from: first, to: frame, inBlocksOf: 0)
        return frame
      }
    }
  }
}
