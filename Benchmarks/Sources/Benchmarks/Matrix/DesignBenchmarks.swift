import Apus
import CBenchmarks
import Machine
import PhysicalMemory
import VirtualMemory

/// What operations of `LockedAreas` cost, beside the kernel's own. Faults are handled by a call, without
/// trap and return, in memory that was zeroed ahead.
enum DesignBenchmarks {
  static var all: [Benchmark] {
    [
      Benchmark("handle-fault", rounds: 100, operations: 16, prepare: prepareAddressSpace) { run in
        countFaults(run) {
          Areas.map(pages, byteCount)
        } handle: { address in
          AddressSpace.shared.handle(PageFault(at: address, .write)) == .resolved
        } unmap: {
          Areas.unmap(pages, byteCount)
        }
      },
      Benchmark(
        "locked-areas-handle-fault", rounds: 100, operations: 16, prepare: prepareLockedAreas
      ) { run in
        countFaults(run) {
          _ = LockedAreas.shared.map(at: pages, byteCount: byteCount, .write)
        } handle: { address in
          LockedAreas.shared.handleFault(at: address, isWrite: true)
        } unmap: {
          LockedAreas.shared.unmap(at: pages, byteCount: byteCount)
        }
      },
      Benchmark("locked-areas-map-unmap-4k", rounds: 1000, prepare: prepareLockedAreas) { run in
        run { mapAndUnmap() }
      },
      Benchmark(
        "locked-areas-map-unmap-4k-1000-areas", rounds: 1000, prepare: prepareManyLockedAreas
      ) { run in
        run { mapAndUnmap() }
      },
    ]
  }

  private static let pageCount: UInt64 = 16
  private static let byteCount = pageCount * 4096
  /// In 512 GiB in which no CPU maps by itself; a page in front of them stays, and the tables with it.
  private static let pages = AddressSpace.lowestAddress + 61 << 39 + 4096

  private static func prepareAddressSpace() {
    Areas.map(pages - 4096, 4096)
    Ranges.touch(pages - 4096, 4096)
  }

  private static func prepareLockedAreas() {
    LockedAreas.shared.initialize()
    guard LockedAreas.shared.map(at: pages - 4096, byteCount: 4096, .write),
      LockedAreas.shared.handleFault(at: pages - 4096, isWrite: true)
    else { Benchmarks.fail("the first page of the locked areas is not mapped") }
  }

  private static func prepareManyLockedAreas() {
    prepareLockedAreas()
    for index in 0..<1000 {
      _ = LockedAreas.shared.map(
        byteCount: 4096 * UInt64(1 + index % 3), index % 2 == 0 ? .write : [])
    }
  }

  @inline(__always)
  private static func countFaults(
    _ run: Run, map: () -> Void, handle: (UInt64) -> Bool, unmap: () -> Void
  ) {
    Marks.stop()
    loop(run.rounds) {
      map()
      Faults.zeroAhead()
      Marks.start()
      var address = pages
      Run(rounds: Int(pageCount), isEmpty: run.isEmpty)() {
        if !handle(address) { Benchmarks.fail("a fault is not resolved") }
        address &+= 4096
      }
      Marks.stop()
      unmap()
    }
    Memory.reclaim()
    Marks.start()
  }

  @inline(__always)
  private static func mapAndUnmap() {
    guard let start = LockedAreas.shared.map(byteCount: 4096, .write) else {
      Benchmarks.fail("there is no room among the locked areas")
    }
    LockedAreas.shared.unmap(at: start, byteCount: 4096)
  }
}
