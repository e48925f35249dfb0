import Apus
import CBenchmarks

/// Blocks of the heap, as a program in C takes and frees them.
enum Blocks {
  static var all: [Benchmark] {
    [
      Benchmark("malloc-64-pair", rounds: 4000) { run in
        benchmark_block_pair(run.rounds, 64, run.emptiness)
      },
      Benchmark("malloc-4k-pair", rounds: 2000) { run in
        benchmark_block_pair(run.rounds, 4096, run.emptiness)
      },
      Benchmark("malloc-64-1000-pair", rounds: 8, operations: 1000) { run in
        withPlaces(1000) { batch(run, $0, 1000) }
      },
      Benchmark(
        "malloc-remote-free-pair", rounds: 20, operations: 1000,
        prepare: runThread
      ) { run in
        withPlaces(1000) { places in
          let places = Places(first: places)
          loop(run.rounds) {
            benchmark_take_blocks(64, places.first, 1000, run.emptiness)
            // Waiting for the other CPU is not part of the operation.
            Marks.stop()
            let emptiness = run.emptiness
            CPUSet(CPU(index: 1)).run { _ in
              Marks.start()
              benchmark_give_blocks(places.first, 1000, emptiness)
              Marks.stop()
            }
            Marks.start()
          }
        }
      },
      Benchmark(
        "conflicts-heap",
        Sharing(rounds: 200) { own in
          WorkingSet(own).replaceSome(give: benchmark_leave_block) { place in
            // Whole lines: 64, 128, 256 and 512 bytes.
            benchmark_use_block(64 << UInt(place % 4))
          }
        }),
    ]
  }

  /// Takes `count` blocks of 64 bytes in each round, then gives them back.
  static func batch(
    _ run: Run, _ places: UnsafeMutablePointer<UnsafeMutableRawPointer?>, _ count: Int
  ) {
    benchmark_block_batch(run.rounds, 64, places, count, run.emptiness)
  }

  /// Lends memory for the addresses of `count` blocks.
  static func withPlaces(
    _ count: Int, _ body: (UnsafeMutablePointer<UnsafeMutableRawPointer?>) -> Void
  ) {
    let places = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: count)
    places.initialize(repeating: nil, count: count)
    body(places)
    places.deallocate()
  }

  /// Addresses of blocks that one CPU writes and another, which it waits for, reads.
  struct Places: @unchecked Sendable {
    let first: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  }

  /// The thread that a benchmark runs on CPU 1 leaves its stack to the next one there.
  private static func runThread() { CPUSet(CPU(index: 1)).run { _ in } }
}
