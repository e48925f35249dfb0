import Apus

/// How many rows each CPU has rendered.
final class RowCounts: Sendable {
  private let counts = Mutex<[Int]>([])

  func add(_ cpu: CPU) {
    counts.withLock { counts in
      while counts.count <= cpu.index { counts.append(0) }
      counts[cpu.index] += 1
    }
  }

  subscript(cpu: CPU) -> Int {
    counts.withLock { cpu.index < $0.count ? $0[cpu.index] : 0 }
  }
}
