import Apus
import CBenchmarks
import Machine
import Scheduler

extension Scaling {
  /// What more CPUs are tried with.
  static var all: [Scaling] {
    [
      Scaling(
        name: "fault", rounds: 5, operations: 8, prepare: mapFaultArea, finish: unmapFaultArea,
        work: .each { Scaling.touchNextBlock($0) }),
      Scaling(
        name: "map-unmap", rounds: 50, operations: 1,
        work: .each { _ in Ranges.unmap(Ranges.map(4096), 4096) }),
      Scaling(
        name: "map-touch-unmap", rounds: 20, operations: 1,
        work: .each { _ in
          let start = Ranges.map(Scaling.sharedByteCount)
          Ranges.touch(start, Scaling.sharedByteCount)
          Ranges.unmap(start, Scaling.sharedByteCount)
        }),
      Scaling(
        name: "unmap-shared", rounds: 4, operations: 1,
        work: .inTurn { Scaling.unmapWhatAllHaveTouched($0) }),
      Scaling(
        name: "frames", rounds: 50, operations: 8,
        work: .each { own in
          WorkingSet(own).replaceSome {
            Frames.give(PhysicalAddress(UInt64($0)))
          } take: { _ in
            UInt(Frames.take().rawValue)
          }
        }),
      Scaling(
        name: "heap", rounds: 50, operations: 8,
        work: .each { own in
          WorkingSet(own).replaceSome(give: benchmark_leave_block) { place in
            benchmark_use_block(64 << UInt(place % 4))
          }
        }),
      Scaling(
        name: "spawn-join", rounds: 20, operations: 1,
        work: .each { _ in Threads.spawn {}.join() }),
      Scaling(
        name: "wake", rounds: 20, operations: 1, leastCPUs: 2,
        work: .each { Scaling.wakePartner($0) }),
      Scaling(
        name: "mutex-contended", rounds: 50, operations: 1,
        work: .each { _ in
          Scaling.mutex.withLock { count in
            count += 1
            // Others come in the meantime.
            Processor.pause()
          }
        }),
      Scaling(
        name: "parallel-for", rounds: 1_000, operations: 1,
        work: .together { count in
          parallelFor(0..<count) { _ in
            loop(100) {}
            Processor.pause()
          }
        }),
    ]
  }

  /// Measures the operations of these names, one after the other.
  static func run(_ names: ArraySlice<String>, factor: Int) {
    for (index, name) in names.enumerated() {
      guard let operation = all.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) else {
        Benchmarks.fail("there is no operation \(name) in the image")
      }
      // Where times are measured there are more than there are windows.
      operation.run(window: index % windowOfAll, factor: factor)
    }
  }

  // MARK: Pages

  private static let sharedByteCount: UInt64 = 16 << 12
  private static let blockByteCount: UInt64 = 32 << 10
  /// Of each 2 MiB the first half is touched.
  private static let blocksOfTable: UInt64 = 32
  private static let faultArea = AddressSpace.lowestAddress + 1 << 38

  /// One area for all CPUs, whose tables are there before the CPUs come.
  private static func mapFaultArea(rounds: Int, cpus: Int) {
    let tableCount = tableCount(rounds, cpus)
    Areas.map(faultArea, tableCount << 21, options: .smallPages)
    for table in 0..<tableCount { Ranges.touch(faultArea + (table + 1) << 21 - 4096, 4096) }
    CPUSet.online.run { _ in Frames.fillCache() }
  }

  private static func unmapFaultArea(rounds: Int, cpus: Int) {
    Areas.unmap(faultArea, tableCount(rounds, cpus) << 21)
  }

  private static func tableCount(_ rounds: Int, _ cpus: Int) -> UInt64 {
    (UInt64(rounds * 2 * cpus) + blocksOfTable - 1) / blocksOfTable
  }

  /// Touches the next 8 pages of this CPU, whose entries have a line of the page table of their own.
  private static func touchNextBlock(_ own: Place) {
    let block = UInt64(own[Word.round] * own[Word.cpus] + own[Word.cpu])
    let table = faultArea + (block / blocksOfTable) << 21
    Ranges.touch(table + block % blocksOfTable * blockByteCount, blockByteCount)
  }

  private static let sharedStart = Atomic<UInt64>(0)

  /// All CPUs touch the pages of an area; one of them in turn unmaps it, and only that counts.
  private static func unmapWhatAllHaveTouched(_ own: Place) {
    let isUnmapping = own[Word.round] % own[Word.cpus] == own[Word.cpu]
    if isUnmapping { sharedStart.store(Ranges.map(sharedByteCount), ordering: .relaxed) }
    meet(own)
    let start = sharedStart.load(ordering: .relaxed)
    Ranges.touch(start, sharedByteCount)
    meet(own)
    if isUnmapping {
      Marks.start()
      InstructionCounter.mark(Marks.firstWindow + UInt64(own[Word.window]))
      Ranges.unmap(start, sharedByteCount)
      InstructionCounter.mark(Marks.left)
      Marks.stop()
    }
    meet(own)
  }

  // MARK: Threads

  private static let mutex = Mutex<Int>(0)

  /// Two CPUs wake each other; each pair has memory of its own.
  struct Pair: ~Copyable {
    let there = Semaphore(0)
    let back = Semaphore(0)
  }

  private static let pairs: UInt = {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 32 * pairStride, alignment: 4096)
    for index in 0..<32 {
      (memory + index * pairStride).bindMemory(to: Pair.self, capacity: 1).initialize(to: Pair())
    }
    return UInt(bitPattern: memory)
  }()
  private static var pairStride: Int { 256 }

  private static func wakePartner(_ own: Place) {
    guard
      let pair = UnsafeMutablePointer<Pair>(
        bitPattern: pairs + own[Word.cpu] / 2 * UInt(pairStride))
    else { return }
    if own[Word.cpu] % 2 == 0 {
      pair.pointee.there.signal()
      pair.pointee.back.wait()
    } else {
      pair.pointee.there.wait()
      pair.pointee.back.signal()
    }
  }
}
