import Locking
import Machine
import PerCPU
import Tracing

/// Which CPU a thread waits for. Modelled in `Models/RunQueue.pml`.
///
/// No CPU stays idle while a thread waits that may run there: who puts a thread in a queue looks for
/// idle CPUs after it, and a CPU that says that it is idle looks in all queues after it. An idle CPU that
/// is told may find other work first, so whoever leaves idleness passes on what still waits.
enum Placement {
  /// Puts a thread that is in no queue, and off its stack, where it may run: at an idle CPU if there is
  /// one. Interrupts are off, and no run queue's lock is held. The thread may be gone when this returns.
  @inline(never)
  static func put(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    let last = Place.cpu(of: thread.pointee.place.load(ordering: .relaxed))
    while true {
      let affinity = CPUSet(bits: thread.pointee.affinity.load(ordering: .relaxed))
      let claimed = IdleCPUs.claim(affinity, preferring: last)
      let target = claimed ?? busyCPU(of: affinity)
      Trace.record(.wake, thread.pointee.number, UInt64(target.index))
      let isSettled = enqueue(thread, at: target)
      // What was put there, or not, is found by looking.
      if let claimed { wake(claimed) }
      guard let affinity = isSettled.affinity else { continue }
      if claimed == nil || isSettled.isBusy { tellIdle(affinity) }
      if isSettled.notice != .nothing { Preemption.tell(target, isSettled.notice) }
      return
    }
  }

  private struct Settlement {
    /// The thread's affinity, or `nil` if it forbids the CPU by now.
    var affinity: UInt64?
    /// The CPU runs a thread, so it need not look in its queue soon.
    var isBusy = false
    /// What the CPU has to be told.
    var notice = Preemption.Notice.nothing
  }

  @inline(__always)
  private static func enqueue(
    _ thread: UnsafeMutablePointer<ThreadRecord>, at cpu: CPU
  ) -> Settlement {
    InterruptsDisabled.assumed { proof in
      let queue = Scheduler.queues.pointer(for: cpu)
      let waiting = queue.pointee.waiting.acquire(proof)
      waiting.pointee.append(thread)
      thread.pointee.place.store(Place.waits(on: cpu.index), ordering: .relaxed)
      let count = queue.pointee.waitingCount.load(ordering: .relaxed)
      queue.pointee.waitingCount.store(count &+ 1, ordering: .relaxed)
      // Place before affinity, and before loans: pairs with the fences in `setAffinity` and
      // `PriorityInheritance.apply`, one of the two sees the other.
      // Count before the idle CPUs, see `tellIdle`: pairs with the one in `IdleCPUs.enter`.
      memoryFence(ordering: .sequentiallyConsistent)
      if !PriorityInheritance.isApplied(to: thread) { reorder(thread, waiting) }
      var result = Settlement()
      let affinity = thread.pointee.affinity.load(ordering: .relaxed)
      if CPUSet(bits: affinity).contains(cpu) {
        result.affinity = affinity
        result.isBusy = !queue.pointee.isIdle
        if result.isBusy { result.notice = Preemption.notice(of: thread, in: queue) }
      } else {
        remove(thread, queue, waiting)
      }
      queue.pointee.waiting.release(proof)
      return result
    }
  }

  /// Gives a thread that waits its place in the queue by what it inherits now; the lock is held.
  @inline(never)
  private static func reorder(
    _ thread: UnsafeMutablePointer<ThreadRecord>, _ waiting: UnsafeMutablePointer<WaitingThreads>
  ) {
    waiting.pointee.remove(thread)
    PriorityInheritance.setPriority(of: thread)
    waiting.pointee.append(thread)
  }

  /// Takes a thread out of the queue in which it waits; the lock is held. The caller then owns it.
  @inline(__always)
  static func remove(
    _ thread: UnsafeMutablePointer<ThreadRecord>, _ queue: UnsafeMutablePointer<RunQueue>,
    _ waiting: UnsafeMutablePointer<WaitingThreads>
  ) {
    waiting.pointee.remove(thread)
    thread.pointee.place.store(Place.runs(on: queue.pointee.cpu), ordering: .relaxed)
    let count = queue.pointee.waitingCount.load(ordering: .relaxed)
    queue.pointee.waitingCount.store(count &- 1, ordering: .relaxed)
  }

  /// This CPU if the set has it, whose caches have what is woken here; another one otherwise.
  @inline(__always)
  private static func busyCPU(of affinity: CPUSet) -> CPU {
    let own = CPU.current
    if affinity.contains(own) { return own }
    return CPU(index: affinity.rawValue.trailingZeroBitCount)
  }

  /// Wakes an idle CPU of the set, if there is one, to look for work.
  @inline(__always)
  static func tellIdle(_ affinity: UInt64) {
    if let cpu = IdleCPUs.claim(CPUSet(bits: affinity), preferring: nil) {
      wake(cpu)
    }
  }

  /// Interrupts a CPU, so that it looks for work. Interrupts are off.
  @inline(__always)
  static func wake(_ cpu: CPU) {
    Scheduler.queues.current.pointee.wakeInterrupts &+= 1
    InterruptsDisabled.assumed { proof in Processor.send(.wake, to: cpu.index, proof) }
  }

  /// By a CPU that was idle and has got a thread, perhaps not the one that it was woken for: wakes another
  /// one for each thread that still waits. Interrupts are off.
  @inline(never)
  static func passOn() {
    for cpu in CPUSet.online {
      if IdleCPUs.areNone { return }
      let queue = Scheduler.queues.pointer(for: cpu)
      if queue.pointee.waitingCount.load(ordering: .relaxed) == 0 { continue }
      InterruptsDisabled.assumed { proof in
        let waiting = queue.pointee.waiting.acquire(proof)
        waiting.pointee.visit { thread in
          tellIdle(thread.pointee.affinity.load(ordering: .relaxed))
          return !IdleCPUs.areNone
        }
        queue.pointee.waiting.release(proof)
      }
    }
  }
}
