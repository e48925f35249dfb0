import Interrupts
import Machine
import PerCPU
import Tracing

/// Makes CPUs forget what they have of a range of addresses.
///
/// The entries are changed before, by operations that are full fences, and only then the CPUs are
/// chosen: a CPU that begins to use them later finds the new ones. CPUs that spin with interrupts
/// off answer too (`SpinWait`), so locks may be held. One call is sent for all of a range; senders do
/// not wait for each other, and each forgets its own translations while the others are on their way
/// to answer.
enum TLBShootdown {
  /// What is asked.
  struct Request {
    /// What the first CPU has for itself; the others' follows.
    var tables: UnsafeMutablePointer<PrivateTables.State>?
    var start: UInt64 = 0
    var end: UInt64 = 0
    var kept: PagePermissions?
  }

  /// Returns when no CPU of the set has anything of a range that is not in the common tables any more:
  /// a translation, a table, or a copy; `kept` are the permissions that are left where the pages are still
  /// there. Not in interrupts; preemption is off.
  static func run(
    on cpus: CPUSet, _ tables: borrowing CPULocal<PrivateTables.State>, from start: UInt64,
    to end: UInt64, keeping kept: PagePermissions?
  ) {
    let own = PrivateTables(tables.current)
    let others = cpus.subtracting(CPU.current)
    own.state.pointee.counts.avoided.count(
      CPUSet.online.subtracting(cpus).subtracting(CPU.current).count)
    if others.isEmpty {
      if cpus.isEmpty { return }
      return Processor.withInterruptsDisabled {
        own.forget(from: start, to: end, keeping: kept)
      }
    }
    let begin = Trace.begin()
    defer { Trace.record(.shootdown, since: begin, start, others.rawValue) }
    own.state.pointee.counts.sent.count(others.intersection(.online).count)
    own.state.pointee.request = Request(
      tables: tables.pointer(for: CPU(index: 0)), start: start, end: end, kept: kept)
    UrgentCall.run(
      on: cpus,
      { context, cpu in
        let request = context.assumingMemoryBound(to: PrivateTables.State.self).pointee.request
        guard let first = request.tables else { return }
        TLBShootdown.tables(of: cpu, first).forget(
          from: request.start, to: request.end, keeping: request.kept)
      }, context: own.state)
  }

  /// Makes CPUs take empty tables out of their own trees. Not in interrupts.
  static func releaseEmptyTables(
    on cpus: CPUSet, _ tables: borrowing CPULocal<PrivateTables.State>
  ) {
    UrgentCall.run(
      on: cpus,
      { context, cpu in
        let first = UnsafeMutableRawPointer(mutating: context)
          .assumingMemoryBound(to: PrivateTables.State.self)
        TLBShootdown.tables(of: cpu, first).releaseEmptyTables()
      }, context: tables.pointer(for: CPU(index: 0)))
  }

  @inline(__always)
  private static func tables(
    of cpu: Int, _ first: UnsafeMutablePointer<PrivateTables.State>
  ) -> PrivateTables {
    let place = UnsafeMutableRawPointer(first) + cpu &* CPULocal<PrivateTables.State>.stride
    return PrivateTables(place.assumingMemoryBound(to: PrivateTables.State.self))
  }
}
