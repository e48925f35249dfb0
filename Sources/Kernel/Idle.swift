import Heap
import PhysicalMemory
import Scheduler

/// What a CPU does that has no thread to run.
enum Idle {
  /// The life of a CPU after its start, on the stack on which it started. With interrupts on.
  static func run() -> Never {
    Scheduler.runThreads(
      until: { false },
      beforeHalt: {
        // Somebody may be short of memory while this CPU is about to sleep on some.
        Heap.shared.answerReclaim()
        // One frame, then the CPU looks for threads again: page faults find frames that are zero.
        return FrameAllocator.shared.zeroAhead { Scheduler.isIdleCPUWanted }
      })
    fatalError("a CPU's idle loop ended")
  }
}
