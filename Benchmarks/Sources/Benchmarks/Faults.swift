import Apus
import Boot
import Machine
import PhysicalMemory
import VirtualMemory

/// The first access to a page of anonymous memory, from the exception to the return.
enum Faults {
  static var all: [Benchmark] {
    [
      // What is left out: the promise of the memory, and zeroing ahead.
      Benchmark("fault-unzeroed", rounds: 100, operations: 16, prepare: prepare) { run in
        inFreshPages(run, zeroedAhead: true)
      },
      Benchmark("fault-zeroed", rounds: 100, operations: 16, prepare: prepare) { run in
        inFreshPages(run, zeroedAhead: false)
      },
      Benchmark("fault-zeroed-1000-areas", rounds: 100, operations: 16, prepare: prepare) {
        run in
        Areas.with(1000) { inFreshPages(run, zeroedAhead: false) }
      },
    ]
  }

  private static let pageCount: UInt64 = 16
  /// The faults of a round.
  static var operations: Int { Int(pageCount) }
  /// In the middle of a 2 MiB part, of which other pages are promised, so that the tables are there.
  private static let pages = neighbour + 0x10_0000
  private static let neighbour = AddressSpace.lowestAddress + 1 << 38

  /// Makes the tables that stay.
  static func prepare() {
    Areas.map(neighbour, 4096)
    UnsafeMutablePointer<UInt64>(bitPattern: UInt(neighbour))?.pointee = 1
    Areas.unmap(neighbour, 4096)
  }

  /// Touches pages that nobody has touched yet, and counts only that.
  static func inFreshPages(_ run: Run, zeroedAhead: Bool) {
    Marks.stop()
    Areas.map(neighbour, 4096)
    UnsafeMutablePointer<UInt64>(bitPattern: UInt(neighbour))?.pointee = 1
    loop(run.rounds) {
      Areas.map(pages, pageCount * 4096)
      if zeroedAhead { zeroAhead() }
      Marks.start()
      touch(run)
      Marks.stop()
      Areas.unmap(pages, pageCount * 4096)
    }
    Areas.unmap(neighbour, 4096)
    Memory.reclaim()
    Marks.start()
  }

  /// What an idle CPU does: all frames that the CPU keeps so.
  static func zeroAhead() {
    // The cache has enough of them then.
    var frames = InlineArray<16, PhysicalAddress?>(repeating: nil)
    for index in frames.indices { frames[index] = try? FrameAllocator.shared.allocate() }
    for index in frames.indices {
      if let frame = frames[index] { FrameAllocator.shared.free(frame) }
    }
    while FrameAllocator.shared.zeroAhead() {}
  }

  @inline(__always)
  private static func touch(_ run: Run) {
    var address = UInt(pages)
    Run(rounds: Int(pageCount), isEmpty: run.isEmpty)() {
      UnsafeMutablePointer<UInt64>(bitPattern: address)?.pointee = 1
      address &+= 4096
    }
  }
}

/// Ranges of the address space.
enum Areas {
  static func map(
    _ start: UInt64, _ byteCount: UInt64, _ permissions: PagePermissions = .write,
    options: MapOptions = []
  ) {
    do throws(AddressSpaceError) {
      try AddressSpace.shared.map(at: start, byteCount: byteCount, permissions, options: options)
    } catch {
      Benchmarks.fail("a range cannot be mapped")
    }
  }

  static func unmap(_ start: UInt64, _ byteCount: UInt64) {
    do throws(AddressSpaceError) {
      try AddressSpace.shared.unmap(at: start, byteCount: byteCount)
    } catch {
      Benchmarks.fail("a range cannot be unmapped")
    }
  }

  /// Runs `body` while there are as many more areas, apart from each other.
  static func with(_ count: UInt64, _ body: () -> Void) {
    Marks.stop()
    let start = AddressSpace.lowestAddress + 1 << 37
    for index in 0..<count { map(start + index * 0x10_0000, 4096) }
    Marks.start()
    body()
    Marks.stop()
    for index in 0..<count { unmap(start + index * 0x10_0000, 4096) }
    Memory.reclaim()
    Marks.start()
  }
}
