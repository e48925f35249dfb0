/// A figure that `apus bench` measures.
public struct Benchmark: Equatable, Sendable {
  /// How the figure comes about.
  public enum Method: Equatable, Sendable {
    /// Instructions of one operation, counted by the image of the package `Benchmarks`.
    case instructions
    /// Cache lines that one of 4 CPUs writes and another touches, although each works for itself,
    /// recorded by the image of the package `Benchmarks`.
    case conflicts
    /// How often one CPU interrupts others for one operation, as the image of the package `Benchmarks`
    /// counts it on 4 CPUs.
    case interrupts
    /// Instructions of all CPUs from the kernel's entry to `main` of HelloWorld.
    case boot
    /// The guest's time for the same without the clock of instructions, the best of several boots:
    /// it depends on the host, and has no threshold.
    case bootTime
    /// Instructions that QEMU translates on that way: what its time is spent on.
    case bootTranslations
    /// How many times as fast work that only computes is done by two CPUs as by one, in one boot of the
    /// image of the package `Benchmarks` without the clock of instructions: it depends on the host, which
    /// must have two CPUs to spare, and has no threshold.
    case speedUp
    /// What of HelloWorld's file is loaded.
    case imageSize
    /// The least memory with which HelloWorld runs.
    case leastMemory
  }

  /// The name, by which the image and the command know the benchmark.
  public let name: String
  public let method: Method
  /// What the figure is to be at most, or for a speed-up at least, if there is a goal.
  public let target: Double?
  /// The figure of Unikraft 0.17 without assertions in the same QEMU, where it was measured.
  public let peer: Double?
  /// The figure of Debian's Linux 6.1 as the guest of the same QEMU, for what an application calls: where
  /// that is a system call, its cost is in it. `Benchmarks/Linux` has the operation for each figure here,
  /// and `apus bench --linux` measures it again.
  public let linux: Double?

  /// The page tables with which it runs.
  public private(set) var pageTables: PageTables
  /// The name in the image, without what says with which page tables it runs.
  public let imageName: String

  /// Ends the names of benchmarks that there are with either kind of page tables.
  private static let perCPUSuffix = "-per-cpu"

  init(
    _ name: String, _ method: Method = .instructions, target: Double? = nil, peer: Double? = nil,
    linux: Double? = nil, pageTables: PageTables? = nil
  ) {
    let isPerCPU = name.hasSuffix(Self.perCPUSuffix)
    self.pageTables = pageTables ?? (isPerCPU ? .perCPU : .shared)
    imageName = isPerCPU ? String(name.dropLast(Self.perCPUSuffix.count)) : name
    self.name = name
    self.method = method
    self.target = target
    self.peer = peer
    self.linux = linux
  }

  /// The same with other page tables, if any are named.
  public func with(_ pageTables: PageTables?) -> Benchmark {
    var result = self
    result.pageTables = pageTables ?? self.pageTables
    return result
  }

  /// Whether the image of the package `Benchmarks` measures it; the others need HelloWorld.
  public var isInImage: Bool {
    method == .instructions || method == .conflicts || method == .interrupts || method == .speedUp
  }

  /// Whether the figure is the same in every run.
  public var isExact: Bool { method != .bootTime && method != .speedUp }

  /// The unit of figures that are to be high; all others are to be low.
  static let speedUpUnit = "times"

  /// What the figure counts.
  public var unit: String {
    switch method {
    case .instructions, .boot, .bootTranslations: "instructions"
    case .bootTime: "microseconds"
    case .conflicts: "lines"
    case .interrupts: "interrupts"
    case .speedUp: Self.speedUpUnit
    case .imageSize: "bytes"
    case .leastMemory: "MiB"
    }
  }
}

/// All benchmarks, in the order in which they are reported.
///
/// Those of the methods `instructions`, `conflicts` and `interrupts` have their code in
/// `Benchmarks/Sources`, under the same name, or under the one without `-per-cpu`.
public enum BenchmarkCatalog {
  public static let all = [
    Benchmark("spin-pair", target: 12, peer: 8),
    Benchmark("spin-irq-pair", target: 16, peer: 21),
    Benchmark("frame-pair", target: 60, peer: 257),
    Benchmark("frame-1024-pair", target: 120, peer: 420),
    Benchmark("frame-2m-pair", target: 200, peer: 228),
    Benchmark("malloc-64-pair", target: 60, peer: 260, linux: 129),
    Benchmark("malloc-4k-pair", target: 120, peer: 272, linux: 280),
    Benchmark("malloc-64-1000-pair", target: 100, peer: 311, linux: 185),
    Benchmark("malloc-remote-free-pair", target: 150),
    Benchmark("fault-unzeroed", target: 350, peer: 686),
    Benchmark("fault-zeroed", target: 900, peer: 17_099, linux: 6_941),
    Benchmark("fault-zeroed-1000-areas", target: 950, linux: 7_045),
    Benchmark("yield-pair", target: 200, peer: 371, linux: 4_083),
    Benchmark("thread-create-join", target: 3_000, peer: 25_324, linux: 72_206),
    // The same after 100,000 threads.
    Benchmark("thread-create-join-late", target: 3_000, peer: 234_000),
    Benchmark("wake-idle-cpu", target: 2_500),
    Benchmark("ping-pong-one-cpu", linux: 3_342),
    Benchmark("ping-pong-four-cpus"),
    Benchmark("channel-ping-pong", linux: 6_188),
    Benchmark("fork-join", .speedUp, target: 1.8),
    Benchmark("mutex-pair", target: 24, peer: 36, linux: 61),
    Benchmark("semaphore-pair", target: 32, peer: 76, linux: 33),
    Benchmark("rwlock-read-pair", target: 30, peer: 50, linux: 65),
    Benchmark("rwlock-write-pair", target: 30, linux: 82),
    Benchmark("thread-local", target: 16, linux: 3),
    Benchmark("map-unmap-4k", target: 600, peer: 4_127, linux: 22_544),
    Benchmark("map-unmap-1m", target: 700, peer: 5_657, linux: 21_479),
    Benchmark("map-unmap-4k-1000-areas", target: 660, peer: 27_896, linux: 22_512),
    Benchmark("unmap-40m-per-page", target: 60, peer: 345, linux: 1_306),
    Benchmark("protect-1m-pair", target: 12_000, peer: 28_934, linux: 88_942),
    Benchmark("populate-unmap-1m", target: 250_000, peer: 4_361_821, linux: 2_056_245),
    Benchmark("fault-unzeroed-per-cpu"),
    Benchmark("fault-zeroed-per-cpu"),
    Benchmark("unmap-40m-per-page-per-cpu"),
    Benchmark("protect-1m-pair-per-cpu"),
    // The design that others planned, and what is to be seen beside it: see Documentation/Conflicts.md.
    Benchmark("handle-fault"),
    Benchmark("locked-areas-handle-fault"),
    Benchmark("locked-areas-map-unmap-4k"),
    Benchmark("locked-areas-map-unmap-4k-1000-areas"),
    Benchmark("ipis-unmap-private", .interrupts, target: 0, pageTables: .perCPU),
    Benchmark("ipis-unmap-held", .interrupts, target: 2, pageTables: .perCPU),
    Benchmark("conflicts-frames", .conflicts, target: 0),
    Benchmark("conflicts-heap", .conflicts, target: 0),
    Benchmark("conflicts-fault-apart", .conflicts, target: 0),
    Benchmark("conflicts-fault-apart-per-cpu", .conflicts, target: 0),
    Benchmark("conflicts-map-apart", .conflicts, target: 0),
    Benchmark("conflicts-map-apart-per-cpu", .conflicts, target: 0),
    Benchmark("boot-main-4cpu-insns", .boot, target: 150_000, peer: 100_000_000),
    Benchmark("boot-main-4cpu-us", .bootTime, target: 10_000, peer: 121_000),
    Benchmark("boot-main-4cpu-translated", .bootTranslations),
    Benchmark("image-bytes", .imageSize, target: 204_800, peer: 242_440),
    Benchmark("min-memory-mib", .leastMemory, target: 2, peer: 2),
  ]

  /// A name that no benchmark has.
  public struct UnknownName: Error, Equatable, CustomStringConvertible {
    public let name: String

    public var description: String {
      "there is no benchmark '\(name)'; there are: "
        + BenchmarkCatalog.all.map(\.name).joined(separator: ", ")
    }
  }

  /// The benchmarks of these names in the catalog's order; all when there are none.
  public static func benchmarks(named names: [String]) throws(UnknownName) -> [Benchmark] {
    for name in names where !all.contains(where: { $0.name == name }) {
      throw UnknownName(name: name)
    }
    return names.isEmpty ? all : all.filter { names.contains($0.name) }
  }
}
