import Apus
import Boot
import Machine
import PhysicalMemory

/// Frames of physical memory, taken and given back.
enum Frames {
  static var all: [Benchmark] {
    [
      Benchmark("frame-pair", rounds: 2000) { run in
        run { give(take()) }
      },
      Benchmark("frame-1024-pair", rounds: 8, operations: 1024) { run in
        takeAndGive(1024, run)
      },
      Benchmark("frame-2m-pair", rounds: 1000) { run in
        run {
          guard
            let start = try? FrameAllocator.shared.allocate(count: 512, alignment: 2 << 20)
          else { Benchmarks.fail("no 2 MiB of frames in a row are free") }
          FrameAllocator.shared.free(start, count: 512)
        }
      },
      Benchmark(
        "conflicts-frames",
        Sharing(rounds: 200) { own in
          WorkingSet(own).replaceSome {
            Frames.give(PhysicalAddress(UInt64($0)))
          } take: { _ in
            let frame = Frames.take()
            PhysicalMemoryWindow.pointer(to: frame.rawValue)?.storeBytes(of: 1, as: Int.self)
            return UInt(frame.rawValue)
          }
        }),
    ]
  }

  /// Takes `count` frames in each round, then gives them back.
  @inline(__always)
  static func takeAndGive(_ count: Int, _ run: Run) {
    let frames = UnsafeMutablePointer<PhysicalAddress>.allocate(capacity: count)
    loop(run.rounds) {
      var index = 0
      Run(rounds: count, isEmpty: run.isEmpty)() {
        (frames + index).initialize(to: take())
        index &+= 1
      }
      index = 0
      Run(rounds: count, isEmpty: run.isEmpty)() {
        give(frames[index])
        index &+= 1
      }
    }
    frames.deallocate()
  }

  /// Where the records of frames begin, and how many bytes there are for each frame: so lines of
  /// memory that CPUs share get a name.
  static var recordsStart: UInt { FrameAllocator.shared.recordsAddress }
  static var recordSize: Int { 4 }

  /// Frames that nobody holds: no benchmark may make them less.
  static var freeCount: Int { FrameAllocator.shared.freeFrameCount }

  /// The same without what is in caches, which may be more or less at the end, and with what idle CPUs
  /// are just zeroing ahead.
  static var settledFreeCount: Int {
    Memory.reclaim()
    var result = freeCount
    for _ in 0..<1000 { result = Swift.max(result, freeCount) }
    return result
  }

  /// Leaves this CPU's cache with frames for a while.
  static func fillCache() {
    var first: PhysicalAddress?
    for _ in 0..<200 {
      let frame = take()
      PhysicalMemoryWindow.pointer(to: frame.rawValue)?
        .storeBytes(of: first?.rawValue ?? 0, as: UInt64.self)
      first = frame
    }
    while let frame = first {
      let next = PhysicalMemoryWindow.pointer(to: frame.rawValue)?.load(as: UInt64.self) ?? 0
      give(frame)
      first = next == 0 ? nil : PhysicalAddress(next)
    }
  }

  /// Takes any frame.
  @inline(__always)
  static func take() -> PhysicalAddress {
    guard let frame = try? FrameAllocator.shared.allocate() else {
      Benchmarks.fail("no frame is free")
    }
    return frame
  }

  /// Gives a frame back.
  @inline(__always)
  static func give(_ frame: PhysicalAddress) { FrameAllocator.shared.free(frame) }
}
