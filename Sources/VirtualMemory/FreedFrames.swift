import Boot
import PhysicalMemory

/// Frames that are given back: those that lie in a row go together.
struct FreedFrames {
  private let frames: UnsafePointer<FrameAllocator>
  private var start: UInt64 = 0
  private var count = 0

  @inline(__always)
  init(_ frames: UnsafePointer<FrameAllocator>) { self.frames = frames }

  /// Adds `count` frames from `address` on.
  @inline(__always)
  mutating func add(_ address: UInt64, count: Int) {
    if address == start &+ UInt64(self.count) &* FrameAllocator.frameSize {
      self.count &+= count
    } else if start == address &+ UInt64(count) &* FrameAllocator.frameSize {
      start = address
      self.count &+= count
    } else {
      flush()
      start = address
      self.count = count
    }
  }

  /// Frees all that were added.
  @inline(__always)
  mutating func flush() {
    if count > 0 { frames.pointee.freeEach(PhysicalAddress(start), count: count) }
    count = 0
  }
}
