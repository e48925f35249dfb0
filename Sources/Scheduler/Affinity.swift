import Locking
import Machine
import PerCPU

/// Why a thread cannot be had as asked for.
public enum ThreadError: Error, Equatable, CustomStringConvertible {
  /// No CPU that runs is in the affinity.
  case noCPU
  /// The stack would be smaller than `Thread.minimumStackSize`.
  case stackTooSmall
  /// There is no memory, or are no addresses, for the stack.
  case outOfMemory

  public var description: String {
    switch self {
    case .noCPU: "no CPU that runs is in the thread's affinity: see CPUSet.online"
    case .stackTooSmall: "the stack is smaller than Thread.minimumStackSize, 4096 bytes"
    case .outOfMemory: "there is no memory, or are no addresses, for the thread's stack"
    }
  }
}

extension Thread {
  /// The CPUs on which the thread may run.
  public var affinity: CPUSet {
    CPUSet(bits: record.pointee.affinity.load(ordering: .relaxed))
  }

  /// Lets the thread run on CPUs of the set only; those that do not run do not count. One that waits
  /// elsewhere is moved at once, the running thread leaves the CPU before this returns, and one that
  /// runs on another CPU is told to leave it. Not in interrupts.
  public func setAffinity(_ cpus: CPUSet) throws(ThreadError) {
    let cpus = cpus.intersection(.online)
    if cpus.isEmpty { throw ThreadError.noCPU }
    record.pointee.affinity.store(cpus.rawValue, ordering: .relaxed)
    // Affinity before place: whoever places the thread looks at the affinity after that, so one of the
    // two sees the other. Pairs with the fences in `Placement.enqueue` and `Scheduler.run`.
    memoryFence(ordering: .sequentiallyConsistent)
    Processor.withInterruptsDisabledProof { proof in move(proof) }
    if self == .current { Thread.yield() }
  }

  /// Keeps the running thread on the CPU on which it is, with preemption disabled.
  @inline(__always)
  package func stay(on cpu: CPU) {
    // It is there, so there is nothing to move.
    record.pointee.affinity.store(CPUSet(cpu).rawValue, ordering: .relaxed)
  }

  /// Gives the running thread back an affinity that it had.
  package func restoreAffinity(_ cpus: CPUSet) {
    record.pointee.affinity.store(cpus.rawValue, ordering: .relaxed)
    if !Processor.withPreemptionDisabled({ cpus.contains(.current) }) { Thread.yield() }
  }

  /// Places the thread anew if it waits: it may have to leave, or another CPU may have it now.
  private func move(_ proof: borrowing InterruptsDisabled) {
    while true {
      let cpu = Place.cpu(of: record.pointee.place.load(ordering: .relaxed))
      let queue = Scheduler.queues.pointer(for: cpu)
      let waiting = queue.pointee.waiting.acquire(proof)
      // One look for both where and whether: with this lock held, a thread that waits here stays.
      let place = record.pointee.place.load(ordering: .relaxed)
      let waits = place == Place.waits(on: cpu.index)
      if waits { Placement.remove(record, queue, waiting) }
      let runs = queue.pointee.running.load(ordering: .relaxed) == RunQueue.word(record)
      queue.pointee.waiting.release(proof)
      if waits { return Placement.put(record) }
      // It leaves the CPU in the interrupt that this sends.
      if runs && cpu != .current && !affinity.contains(cpu) {
        return Placement.wake(cpu)
      }
      if Place.cpu(of: place) == cpu { return }
      Processor.pause()
    }
  }
}
