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
    let size = UInt64(count) &* FrameAllocator.frameSize
    if address &+ size == start {
      start = address
    } else if address == end {
      end &+= size
    } else {
      flush()
      start = address
      end = address &+ size
    }
  }

  /// Frees all that were added.
  @inline(never)
  mutating func flush() {
    if start != end {
      frames.pointee.freeEach(
        PhysicalAddress(start), count: Int((end &- start) / FrameAllocator.frameSize))
    }
    start = end
  }
}
