/// What `apus bench --scaling` measures, in the order of its report. The code is in `Scaling.all` and `Growth`
/// of `Benchmarks/Sources`.
public enum ScalingCatalog {
  /// An operation that all CPUs do at the same time.
  struct Operation: Equatable, Sendable {
    var name: String
    /// Whether page tables matter, so that it is measured with both.
    var usesPages = false
    /// How many times the rounds it is timed with.
    var timedRounds = 8
  }

  static let operations = [
    // First what each CPU does in its own part of the address space: in the same boot all CPUs use those of
    // others later, and know of each other then.
    Operation(name: "map-unmap", usesPages: true),
    Operation(name: "map-touch-unmap", usesPages: true),
    Operation(name: "fault", usesPages: true, timedRounds: 4),
    Operation(name: "unmap-shared", usesPages: true, timedRounds: 2),
    Operation(name: "frames"), Operation(name: "heap"), Operation(name: "spawn-join"),
    Operation(name: "wake"), Operation(name: "mutex-contended"), Operation(name: "parallel-for"),
  ]

  /// The CPUs of the machines.
  static let cpus = [1, 2, 4, 8, 16]

  /// An operation of one CPU at several sizes.
  struct Growth: Equatable, Sendable {
    var name: String
    /// What there is so much of.
    var quantity: String
    var sizes: [Int]
  }

  static let growth = [
    Growth(name: "areas-map-unmap", quantity: "areas", sizes: [10, 100, 1000, 10_000, 100_000]),
    Growth(name: "areas-fault", quantity: "areas", sizes: [10, 100, 1000, 10_000, 100_000]),
    Growth(name: "threads-yield", quantity: "threads", sizes: [1, 10, 100, 1000, 10_000]),
    Growth(name: "threads-create-join", quantity: "threads", sizes: [1, 10, 100, 1000, 10_000]),
    Growth(
      name: "frames-taken", quantity: "frames or blocks", sizes: [10, 100, 1000, 10_000, 100_000]),
    Growth(
      name: "blocks-taken", quantity: "frames or blocks", sizes: [10, 100, 1000, 10_000, 100_000]),
  ]

  /// What is measured in machines of these sizes, in MiB.
  static let memories = [4, 16, 64, 256, 1024, 4096, 16_384]
  static let memoryQuantity = "MiB of memory"
  static let boot = "memory-boot"
  /// The names of benchmarks of the image that are measured with much memory.
  static let memoryBenchmarks = ["memory-frame-pair": "frame-pair", "memory-fault": "fault-zeroed"]

  /// All names, by which `--only` chooses.
  public static let names =
    operations.map(\.name) + growth.map(\.name) + [boot] + memoryBenchmarks.keys.sorted()
}
