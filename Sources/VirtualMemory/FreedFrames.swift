import Boot
import PhysicalMemory

/// Frames that are given back: those that lie in a row go together.
struct FreedFrames {
  private let frames: UnsafePointer<FrameAllocator>
  private var start: UInt64 = 0
  private var end: UInt64 = 0

  @inline(__always)
  init(_ frames: UnsafePointer<FrameAllocator>) { self.frames = frames }

  /// Adds `count` frames from `address` on.
  @inline(__always)
  mutating func add(_ address: UInt64, count: Int) {
    if address == end {
      end &+= UInt64(count) &* FrameAllocator.frameSize
    } else {
      addApart(address, count: count)
    }
  }

  @inline(never)
  private mutating func addApart(_ address: UInt64, count: Int) {
    let addedEnd = address &+ UInt64(count) &* FrameAllocator.frameSize
    if addedEnd != start {
      flush()
      end = addedEnd
    }
    start = address
  }

  /// Frees all that were added.
  @inline(__always)
  mutating func flush() {
    if start != end {
      frames.pointee.freeEach(
        PhysicalAddress(start), count: Int((end &- start) / FrameAllocator.frameSize))
    }
    start = end
  }
}
