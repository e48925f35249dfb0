import Apus
import CBenchmarks

/// Something to be measured, by the name under which `apus bench` knows it.
struct Benchmark {
  let name: String
  let measurement: Measurement

  enum Measurement {
    /// Instructions, counted around `body`.
    case instructions(
      rounds: Int, operations: Int, prepare: () -> Void, body: (Run) -> Void)
    /// Cache lines that CPUs share, recorded while each of them works for itself.
    case conflicts(Sharing)
    /// Interrupts between CPUs, which the body counts.
    case interrupts(() -> Int)
    /// Nanoseconds on one CPU and on two, which the body measures.
    case speedUp(() -> (one: UInt64, two: UInt64))
  }

  /// Counts instructions.
  ///
  /// - Parameters:
  ///   - rounds: how often the work is done in the shorter of two runs.
  ///   - operations: how many operations one round of the work is; the figure is for one.
  ///   - prepare: makes what the benchmark needs and never gives back.
  ///   - body: does the work as often as it is told, or only the loops around it.
  init(
    _ name: String, rounds: Int, operations: Int = 1, prepare: @escaping () -> Void = {},
    _ body: @escaping (Run) -> Void
  ) {
    self.name = name
    measurement = .instructions(
      rounds: rounds, operations: operations, prepare: prepare, body: body)
  }

  /// Tells how often CPUs are interrupted for one operation.
  init(_ name: String, interrupts: @escaping () -> Int) {
    self.name = name
    measurement = .interrupts(interrupts)
  }

  /// Tells how long the same work takes one CPU and two.
  init(_ name: String, speedUp: @escaping () -> (one: UInt64, two: UInt64)) {
    self.name = name
    measurement = .speedUp(speedUp)
  }

  /// Finds the lines that CPUs share.
  init(_ name: String, _ sharing: Sharing) {
    self.name = name
    measurement = .conflicts(sharing)
  }

  /// Measures, and tells `apus bench` what it needs to make sense of the marks.
  func run() {
    switch measurement {
    case .instructions(let rounds, let operations, let prepare, let body):
      prepare()
      benchmark_touch_stack()
      print("instructions \(rounds) \(operations)")
      // The host takes the differences of the longer and the shorter run, so that what a run costs
      // beside its rounds is left out. The first run warms up.
      let runs = [(1, false), (1, false), (2, false), (1, true), (2, true)]
      let free = Frames.settledFreeCount
      for (factor, isEmpty) in runs {
        Self.count(Run(rounds: rounds * factor, isEmpty: isEmpty), body)
      }
      let left = Frames.settledFreeCount
      guard left == free else { Benchmarks.fail("of \(free) free frames \(left) are left") }
    case .conflicts(let sharing): sharing.run()
    case .interrupts(let count): print("interrupts \(count())")
    case .speedUp(let measure):
      let times = measure()
      print("nanoseconds \(times.one) \(times.two)")
    }
  }

  /// Never inlined, so that all runs have the same code around them.
  @inline(never)
  private static func count(_ run: Run, _ body: (Run) -> Void) {
    InstructionCounter.mark(Marks.phase)
    Marks.start()
    body(run)
    Marks.stop()
  }
}

/// The marks by which the host knows what to count. `BenchmarkMarks` of the host has the same.
enum Marks {
  /// The instructions of this CPU count from here on.
  static var started: UInt64 { 8 }
  /// They do not count any more.
  static var stopped: UInt64 { 9 }
  /// The next run of the benchmark begins.
  static var phase: UInt64 { 10 }
  /// This CPU's accesses to memory belong to the first window from here on, up to `left`; the
  /// windows' marks follow each other.
  static var firstWindow: UInt64 { 32 }
  /// They belong to the window after the one that this CPU was in last; at first to the first.
  static var nextWindow: UInt64 { 62 }
  static var left: UInt64 { 63 }

  /// Begins to count on this CPU.
  @inline(__always)
  static func start() { InstructionCounter.mark(started) }

  /// Stops counting on this CPU.
  @inline(__always)
  static func stop() { InstructionCounter.mark(stopped) }
}
