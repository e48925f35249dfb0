import Heap
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
      })
    fatalError("a CPU's idle loop ended")
  }
}
