import CExploration
import CMachine
import Machine

/// One CPU of a simulated machine, while it does not run or as it is about to do an operation.
struct SimulatedCPU {
  enum State: Equatable {
    case ready
    /// Waits, in a spin, for something to be written; `writes` were made when it began.
    case paused(writes: Int)
    /// Waits for an interrupt, with interrupts on.
    case halted
    /// Has done all it was asked to do, and still takes interrupts.
    case idle
  }

  let coroutine: OpaquePointer
  let body: () -> Void
  var processor: apus_simulated_processor
  var state = State.ready
  /// Pending interrupts, bit n for vector 64 + n.
  var pending: UInt64 = 0
  /// How often each pending interrupt comes again after it was taken.
  var repetitions: [UInt8: Int] = [:]
  var timerDeadline = UInt64.max
  /// Within an instruction, where no interrupt comes.
  var isWithinInstruction = false
  /// Pauses that are nothing, because the strategy insisted.
  var insistence = 0
  /// The step at which it last gave way to another CPU.
  var lastRun = 0
  /// The step of its last pause that let others run.
  var lastPause = 0
  /// The CPUs that have to run before it goes on after its pause, bit n for CPU n.
  var awaited: UInt64 = 0

  init(coroutine: OpaquePointer, body: @escaping () -> Void, processor: apus_simulated_processor) {
    self.coroutine = coroutine
    self.body = body
    self.processor = processor
  }

  var takesInterrupts: Bool {
    pending != 0 && !isWithinInstruction
      && (processor.interrupts_enabled != 0 || state == .halted)
  }
}
