import Locking
import Machine
import PerCPU

/// The end of a thread, and who sees to what is left of it: the one who joins it, or after `detach` the
/// CPU on which it ended.
enum Ending {
  // The values of `ThreadRecord.ending`; others are the record of the thread that joins.
  static let runs: UInt64 = 0
  static let isDetached: UInt64 = 1
  static let ended: UInt64 = 2

  /// When the stack of a thread that has ended has been left.
  @inline(__always)
  static func finish(
    _ thread: UnsafeMutablePointer<ThreadRecord>, _ own: UnsafeMutablePointer<RunQueue>
  ) {
    // Release: whoever joins sees all that the thread did. From then on the record is theirs. Acquire:
    // the thread that joins is seen as it prepared.
    let before = thread.pointee.ending.exchange(ended, ordering: .acquiringAndReleasing)
    if before == isDetached {
      thread.pointee.next = own.pointee.ended
      own.pointee.ended = thread
    } else if let joiner = UnsafeMutablePointer<ThreadRecord>(bitPattern: UInt(before)) {
      Parking.wake(joiner)
    }
  }

  /// Gives back the memory of the threads that ended on this CPU, detached. Not in interrupts.
  @inline(__always)
  static func reap() {
    // A CPU that takes the list has it for itself: a thread that ends meanwhile begins a new one.
    var ended = Processor.withInterruptsDisabled {
      let own = Scheduler.queues.current
      defer { own.pointee.ended = nil }
      return own.pointee.ended
    }
    while let thread = ended {
      ended = thread.pointee.next
      ThreadMemory.free(thread)
    }
  }
}

extension Thread {
  /// Ends the running thread, as the end of what it runs does. What its functions hold is not given back.
  public static func exit() -> Never {
    ThreadLocals.destroyAll(of: Scheduler.currentRecord)
    Processor.disableInterrupts()
    InterruptsDisabled.assumed { proof in
      let own = Scheduler.queues.current
      Switch.checkMaySwitch()
      precondition(!own.pointee.isIdle, "a CPU's idle loop cannot end")
      _ = own.pointee.waiting.acquire(proof)
      Switch.leave(own, .end, proof)
    }
    fatalError("a thread that has ended goes on")
  }

  /// Waits until the thread has ended and gives back its memory: the name is good for nothing after it.
  /// By one thread, once, and not after `detach`. Not in interrupts.
  public func join() {
    let own = Scheduler.currentRecord
    precondition(own != record, "a thread joins itself")
    precondition(own.pointee.memory != nil, "a CPU's idle loop waits for a thread")
    Parking.prepare(own)
    // Release: the one that ends sees this thread prepared. Acquire pairs with the release in `finish`.
    let result = record.pointee.ending.compareExchange(
      expected: Ending.runs, desired: UInt64(UInt(bitPattern: own)),
      ordering: .acquiringAndReleasing)
    if result.exchanged {
      Parking.park()
    } else {
      Parking.cancel(own)
      precondition(result.original == Ending.ended, "a thread is joined twice, or detached")
    }
    ThreadMemory.free(record)
  }

  /// Lets the thread's memory be given back when it ends, with nobody to join it. Once, and not after
  /// `join`.
  public func detach() {
    let result = record.pointee.ending.compareExchange(
      expected: Ending.runs, desired: Ending.isDetached, ordering: .acquiringAndReleasing)
    if result.exchanged { return }
    precondition(result.original == Ending.ended, "a thread is detached twice, or joined")
    ThreadMemory.free(record)
  }
}
