import Apus
import Scheduler

/// What an operation costs beside much of what it has to do with: the same work at several sizes.
enum Growth {
  /// The benchmark of a name with this size.
  static func benchmark(_ name: String, _ size: Int) -> Benchmark? {
    for (known, make) in all where known.utf8.elementsEqual(name.utf8) { return make(size) }
    return nil
  }

  private static var all: [(String, (Int) -> Benchmark)] {
    [
      ("areas-map-unmap", mapUnmap), ("areas-fault", fault), ("threads-yield", yield),
      ("threads-create-join", createJoin), ("frames-taken", takeFrames),
      ("blocks-taken", takeBlocks),
    ]
  }

  // Beside so many other areas.

  private static func mapUnmap(_ count: Int) -> Benchmark {
    let prepare = { makeAreas(count) }
    return Benchmark("", rounds: 1000, prepare: prepare) { run in
      run { Ranges.unmap(Ranges.map(4096), 4096) }
    }
  }

  private static func fault(_ count: Int) -> Benchmark {
    let prepare = {
      makeAreas(count)
      Faults.prepare()
    }
    return Benchmark("", rounds: 100, operations: Faults.operations, prepare: prepare) { run in
      Faults.inFreshPages(run, zeroedAhead: false)
    }
  }

  // Beside so many other threads that wait.

  private static func yield(_ count: Int) -> Benchmark {
    let prepare = { startThreads(count) }
    return Benchmark("", rounds: 1000, prepare: prepare) { run in
      Threads.yield(run)
    }
  }

  private static func createJoin(_ count: Int) -> Benchmark {
    let prepare = { startThreads(count) }
    return Benchmark("", rounds: 200, prepare: prepare) { run in
      Threads.createAndJoin(run)
    }
  }

  // So many frames or blocks are taken, then given back; of each.

  private static func takeFrames(_ count: Int) -> Benchmark {
    Benchmark("", rounds: 1, operations: count) { Frames.takeAndGive(count, $0) }
  }

  private static func takeBlocks(_ count: Int) -> Benchmark {
    Benchmark("", rounds: 1, operations: count) { run in
      Blocks.withPlaces(count) { Blocks.batch(run, $0, count) }
    }
  }

  /// Areas that lie side by side and differ from their neighbours, so that they do not become one.
  private static func makeAreas(_ count: Int) {
    let start = AddressSpace.lowestAddress + 1 << 37
    for index in 0..<UInt64(count) {
      Areas.map(start + index * 4096, 4096, index % 2 == 0 ? .write : [])
    }
    Ranges.unmap(Ranges.map(8192, options: .populate), 8192)
  }

  private static let end = Semaphore(0)

  /// Threads that wait for what never comes.
  private static func startThreads(_ count: Int) {
    Threads.prepare()
    for _ in 0..<count {
      guard let thread = try? Thread.spawn(stackSize: Thread.minimumStackSize, { end.wait() })
      else { Benchmarks.fail("no thread") }
      thread.detach()
    }
    Thread.yield()
  }
}
