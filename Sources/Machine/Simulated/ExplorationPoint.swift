#if !hasFeature(Embedded)
import CMachine

/// Whether an explorer plays the CPUs of this thread. One load and a branch that is never taken in
/// ordinary tests.
@usableFromInline
var isExplored: Bool {
  @inline(__always) get { apus_is_explored() }
}

/// Tells the explorer what the current CPU is about to do; it may let other CPUs run, or an
/// interrupt in, before this returns.
@usableFromInline
func explore(_ operation: SimulatedOperation, at address: UInt64 = 0, byteCount: Int = 0) {
  apus_explore_step(operation.rawValue, address, UInt8(truncatingIfNeeded: byteCount))
}

/// Tells the explorer that the operation has been done. What it wrote can still be read: nothing
/// else ran in between.
@usableFromInline
func exploreWritten() { apus_explore_written() }
#endif
