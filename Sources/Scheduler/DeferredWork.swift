import Machine
import PerCPU

/// Something that an interrupt has to be followed by and that may take its time: it runs in a thread, where it
/// may sleep and allocate.
///
///     let refill = DeferredWork { queue.refill() }
///     …
///     refill.schedule(from: context)
///
/// In Linux terms a `work_struct` on a bound work queue; a DPC or soft interrupt elsewhere. Each CPU has one
/// thread that does the work which was scheduled on it, in order; work that sleeps long makes others wait.
/// Modelled in `Models/DeferredWork.pml`.
public struct DeferredWork: ~Copyable, Sendable {
  // What is in the record is of the one who has the right by its state, see `WorkRecord`.
  private nonisolated(unsafe) let record: UnsafeMutablePointer<WorkRecord>

  /// Work that is not scheduled. Starts the threads that do work if there are none. In threads. Allocates.
  public init(_ body: @escaping @Sendable () -> Void) throws(ThreadError) {
    try WorkQueues.prepare()
    record = .allocate(capacity: 1)
    record.initialize(to: WorkRecord(body))
  }

  /// Lets the body run on this CPU, once, after this; if it is to run already and has not begun, that
  /// is enough. What was written before this is seen by the body. It runs on one CPU at a time: if it runs now, it
  /// runs again there when it is through. Returns whether it was not to run already. In handlers.
  @inline(__always)
  @discardableResult
  public borrowing func schedule(from context: borrowing InterruptContext) -> Bool {
    context.withInterruptsDisabledProof { WorkQueues.schedule(record, $0) }
  }

  /// The same in any context. Where preemption is on, the CPU is the one of that moment.
  @discardableResult
  public borrowing func schedule() -> Bool {
    Processor.withInterruptsDisabledProof { WorkQueues.schedule(record, $0) }
  }

  /// Takes back what was scheduled before, and waits for the body if it runs: when this returns, it does not run
  /// unless it is scheduled anew. Returns whether a run was taken back. In threads, not in the body.
  @discardableResult
  public borrowing func cancel() -> Bool { WorkQueues.cancel(record) }

  deinit {
    WorkQueues.cancel(record)
    record.deinitialize(count: 1)
    record.deallocate()
  }
}
