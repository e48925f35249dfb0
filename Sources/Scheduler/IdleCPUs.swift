import Machine
import PerCPU

/// The CPUs that have nothing to do and wait to be told. Whoever takes one out tells it by an interrupt.
enum IdleCPUs {
  private struct Line: ~Copyable, Sendable {
    let bits = Atomic<UInt64>(0)
    // Alone on its pair of lines: read at each wake-up, written only when a CPU turns idle or is told.
    private let padding: InlineArray<15, UInt64> = .init(repeating: 0)
  }

  private static let line = Line()

  static func reset() { line.bits.store(0, ordering: .relaxed) }

  /// Whether no CPU waits to be told.
  @inline(__always)
  static var areNone: Bool { line.bits.load(ordering: .relaxed) == 0 }

  /// Those that wait to be told.
  @inline(__always)
  static var all: UInt64 { line.bits.load(ordering: .relaxed) }

  /// Says that a CPU is idle; by itself. It looks in all queues after this.
  @inline(__always)
  static func enter(_ bit: UInt64) {
    // Only the CPU itself sets its bit, so a sum is as good as a union.
    if line.bits.load(ordering: .relaxed) & bit == 0 {
      line.bits.wrappingAdd(bit, ordering: .acquiringAndReleasing)
    }
    // Pairs with the fence in `Placement.enqueue`: this CPU sees what waits, or is seen as idle.
    memoryFence(ordering: .sequentiallyConsistent)
  }

  /// Takes back `enter`, unless the CPU was told in the meantime.
  @inline(__always)
  static func leave(_ bit: UInt64) {
    var seen = line.bits.load(ordering: .relaxed)
    while seen & bit != 0 {
      let result = line.bits.compareExchange(
        expected: seen, desired: seen & ~bit, ordering: .relaxed)
      if result.exchanged { return }
      seen = result.original
      Processor.pause()
    }
  }

  /// Takes out a CPU of the set, which the caller must tell.
  @inline(__always)
  static func claim(_ cpus: CPUSet, preferring favourite: CPU?) -> CPU? {
    var seen = line.bits.load(ordering: .relaxed)
    while true {
      let candidates = seen & cpus.rawValue
      if candidates == 0 { return nil }
      var cpu = CPU(index: candidates.trailingZeroBitCount)
      if let favourite, candidates & CPUSet(favourite).rawValue != 0 { cpu = favourite }
      let result = line.bits.compareExchange(
        expected: seen, desired: seen & ~CPUSet(cpu).rawValue, ordering: .acquiringAndReleasing)
      if result.exchanged { return cpu }
      seen = result.original
      Processor.pause()
    }
  }
}
