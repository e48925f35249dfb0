import Locking
import Machine
import PerCPU
import Tracing

extension Scheduler {
  /// What a CPU does that has no thread: looks for one in all queues, runs it, and halts when there is
  /// none, until `isDone`. What makes that true must be followed by an interrupt on this CPU. `isDone` is
  /// asked with interrupts off. `beforeHalt` runs with interrupts on and does not wait: it does a little that can
  /// be put off, ends soon when `isIdleCPUWanted`, and returns whether there is more. Called on the stack on
  /// which the CPU started, with interrupts on, by nobody else.
  public static func runThreads(
    until isDone: () -> Bool, beforeHalt: () -> Bool = { false }
  ) {
    Processor.withInterruptsDisabledProof { proof in
      let own = queues.current
      Processor.setThread(own.pointee.idle)
      var isRested = false
      while !isDone() {
        IdleCPUs.enter(own.pointee.bit)
        if let thread = pull(for: own) {
          IdleCPUs.leave(own.pointee.bit)
          isRested = false
          run(thread, own)
        } else if isRested {
          isRested = false
          // Whoever takes this CPU out of the idle ones sends it an interrupt, which is pending then.
          if !isDone() { Processor.waitForInterrupt() }
        } else {
          // What was to be seen with interrupts off is looked at again after this.
          Processor.enableInterrupts()
          Ending.reap()
          isRested = !beforeHalt()
          Processor.disableInterrupts()
        }
      }
      IdleCPUs.leave(own.pointee.bit)
    }
  }

  /// Whether the calling CPU, which is idle, is told to look for a thread. In `beforeHalt`.
  @inline(__always)
  public static var isIdleCPUWanted: Bool { IdleCPUs.all & queues.current.pointee.bit == 0 }

  /// Takes a thread that may run on this CPU out of a queue, of its own first.
  private static func pull(
    for own: UnsafeMutablePointer<RunQueue>
  ) -> UnsafeMutablePointer<ThreadRecord>? {
    let cpus = CPUSet.online.rawValue
    let first = UInt64(own.pointee.cpu)
    // The set as seen from this CPU: bit n is the nth CPU behind it.
    var rest = cpus &>> first | cpus &<< (64 &- first)
    while rest != 0 {
      let distance = UInt64(rest.trailingZeroBitCount)
      rest &= rest &- 1
      let queue = queues.pointer(for: CPU(index: Int((first &+ distance) & 63)))
      if queue.pointee.waitingCount.load(ordering: .relaxed) == 0 { continue }
      if let thread = take(from: queue, mayRunOn: own.pointee.bit) {
        if queue != own {
          own.pointee.pulls &+= 1
          Trace.record(.pull, thread.pointee.number, UInt64(queue.pointee.cpu))
        }
        return thread
      }
    }
    return nil
  }

  private static func take(
    from queue: UnsafeMutablePointer<RunQueue>, mayRunOn bit: UInt64
  ) -> UnsafeMutablePointer<ThreadRecord>? {
    InterruptsDisabled.assumed { proof in
      let waiting = queue.pointee.waiting.acquire(proof)
      var found: UnsafeMutablePointer<ThreadRecord>?
      waiting.pointee.visit { thread in
        if thread.pointee.affinity.load(ordering: .relaxed) & bit == 0 { return true }
        found = thread
        return false
      }
      if let found { Placement.remove(found, queue, waiting) }
      queue.pointee.waiting.release(proof)
      return found
    }
  }

  /// Runs a thread that is in no queue; returns when the CPU is idle again.
  private static func run(
    _ thread: UnsafeMutablePointer<ThreadRecord>, _ own: UnsafeMutablePointer<RunQueue>
  ) {
    InterruptsDisabled.assumed { proof in
      let waiting = own.pointee.waiting.acquire(proof)
      if waiting.pointee.highestPriority > thread.pointee.priority {
        // Who put it there saw this CPU idle, so nobody asks the thread to give way.
        own.pointee.waiting.release(proof)
        return Placement.put(thread)
      }
      thread.pointee.place.store(Place.runs(on: own.pointee.cpu), ordering: .relaxed)
      // Pairs with the fences in `setAffinity` and `PriorityInheritance.apply`, as in `Placement.enqueue`.
      memoryFence(ordering: .sequentiallyConsistent)
      if !PriorityInheritance.isApplied(to: thread) { PriorityInheritance.setPriority(of: thread) }
      if thread.pointee.affinity.load(ordering: .relaxed) & own.pointee.bit == 0 {
        own.pointee.waiting.release(proof)
        return Placement.put(thread)
      }
      own.pointee.afterwards = .passOn
      Preemption.willRun(thread, own)
      Switch.resume(thread, leaving: own.pointee.idle, own, proof)
    }
  }
}
