import Boot
import Machine
import PerCPU

/// Frames in a row that are given back together, whatever they were allocated as.
extension FrameAllocator {
  /// Shorter rows go to the CPU's cache, for those who come next; what came as a run of so many goes back
  /// as one.
  private static let runLength = 1 << FrameCache.runOrder

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
        frame =
          end - frame >= Self.runLength
          ? freeSingles(from: frame, to: end) : cacheSingles(from: frame, to: end)
      } else if record == .allocated(order: record.order) && size <= end - frame {
        freeRun(position, count: size)
        frame += size
      } else {
        // A part of a block.
        return freeSlowly(position, count: end - frame)
      }
    }
  }

  /// Gives frames that were allocated alone to the CPU's cache, up to the first one that was not; returns
  /// where it is.
  private func cacheSingles(from first: Int, to end: Int) -> Int {
    var frame = first
    let isCached = Processor.withPreemptionDisabled { () -> Bool in
      guard let cache = caches.currentIfInitialized, cache.pointee.claimIfFree() else {
        return false
      }
      while frame < end {
        let isTaken = records.record(frame).pointee.compareExchange(
          expected: FrameRecord.allocated(order: 0).rawValue,
          desired: FrameRecord(.cached, order: 0).rawValue, ordering: .relaxed
        ).exchanged
        if !isTaken { break }
        if !cache.pointee.push(frame, order: 0) {
          withBuddies { cache.pointee.drainHalf(order: 0, to: &$0) }
          _ = cache.pointee.push(frame, order: 0)
        }
        frame &+= 1
      }
      cache.pointee.release()
      return true
    }
    if !isCached {
      free(PhysicalAddress(UInt64(frame) * Self.frameSize), order: 0)
      frame += 1
    }
    return frame
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
