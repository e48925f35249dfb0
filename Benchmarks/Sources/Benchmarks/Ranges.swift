import Boot
import Machine
import PhysicalMemory
import VirtualMemory

/// Ranges of virtual addresses, mapped and unmapped.
enum Ranges {
  static var all: [Benchmark] {
    [
      Benchmark("map-unmap-4k", rounds: 1000, prepare: prepare) { run in
        run { unmap(map(4096), 4096) }
      },
      Benchmark("map-unmap-1m", rounds: 1000, prepare: prepareUntouched) { run in
        run { unmap(map(1 << 20), 1 << 20) }
      },
      Benchmark("map-unmap-4k-1000-areas", rounds: 1000, prepare: prepareOthers) { run in
        run { unmap(map(4096), 4096) }
      },
      Benchmark("unmap-40m-per-page", rounds: 1, operations: 10_240, prepare: prepareNothing) {
        run in
        measureUnmap(run)
      },
      Benchmark("protect-1m-pair", rounds: 100, prepare: prepareTouched) { run in
        let start = touched.load(ordering: .relaxed)
        run {
          protect(start, 1 << 20, [])
          protect(start, 1 << 20, .write)
        }
      },
      Benchmark("populate-unmap-1m", rounds: 20, prepare: prepare) { run in
        run { unmap(map(1 << 20, options: .populate), 1 << 20) }
      },
    ]
  }

  private static let touched = Atomic<UInt64>(0)

  /// Makes the tables that stay.
  private static func prepare() { unmap(map(8192, options: .populate), 8192) }

  /// The same without tables, but the arena's own.
  private static func prepareNothing() {
    prepare()
    AddressSpace.shared.reclaim()
  }

  /// The same, and the table that promises for small ranges are in.
  private static func prepareUntouched() {
    prepareNothing()
    unmap(map(1 << 20), 1 << 20)
  }

  /// Leaves 1,000 areas behind whose neighbours differ.
  private static func prepareOthers() {
    prepare()
    for index in 0..<1000 {
      _ = map(4096 * UInt64(1 + index % 3), index % 2 == 0 ? .write : [])
    }
  }

  private static func prepareTouched() {
    prepare()
    let start = map(1 << 20)
    touch(start, 1 << 20)
    touched.store(start, ordering: .relaxed)
  }

  /// Writes to each page.
  @inline(__always)
  static func touch(_ start: UInt64, _ byteCount: UInt64) {
    var address = start
    while address < start + byteCount {
      UnsafeMutablePointer<UInt64>(bitPattern: UInt(address))?.pointee = 1
      address += 4096
    }
  }

  /// Only the unmapping counts.
  private static func measureUnmap(_ run: Run) {
    var left = run.rounds
    while left > 0 {
      Marks.stop()
      let start = map(40 << 20, options: [.populate, .smallPages])
      touch(start, 40 << 20)
      Marks.start()
      if !run.isEmpty { unmap(start, 40 << 20) }
      Marks.stop()
      if run.isEmpty { unmap(start, 40 << 20) }
      AddressSpace.shared.reclaim()
      Marks.start()
      left -= 1
    }
  }

  @inline(__always)
  static func map(
    _ byteCount: UInt64, _ permissions: PagePermissions = .write, options: MapOptions = []
  ) -> UInt64 {
    do throws(AddressSpaceError) {
      return try AddressSpace.shared.map(byteCount: byteCount, permissions, options: options)
    } catch {
      Benchmarks.fail("no range is mapped")
    }
  }

  @inline(__always)
  static func unmap(_ start: UInt64, _ byteCount: UInt64) {
    do throws(AddressSpaceError) {
      try AddressSpace.shared.unmap(at: start, byteCount: byteCount)
    } catch {
      Benchmarks.fail("a range is not unmapped")
    }
  }

  @inline(__always)
  private static func protect(
    _ start: UInt64, _ byteCount: UInt64, _ permissions: PagePermissions
  ) {
    do throws(AddressSpaceError) {
      try AddressSpace.shared.protect(at: start, byteCount: byteCount, permissions)
    } catch {
      Benchmarks.fail("a range is not protected")
    }
  }
}
