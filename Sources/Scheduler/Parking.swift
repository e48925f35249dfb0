import Locking
import Machine
import PerCPU

/// How a thread waits until another wakes it, in two steps, so that it can be woken between them. Modelled
/// in `Models/WaitQueue.pml`.
///
/// Whoever wakes exchanges the word for `running`. If it was `parked`, the thread is off its stack, and
/// its waker's to place; if it was `parking`, its CPU sees that when the stack has been left.
enum Parking {
  static let running: UInt32 = 0
  static let parking: UInt32 = 1
  static let parked: UInt32 = 2

  /// Says that the running thread will park; from now on it can be woken, once, by whoever is told of it
  /// after this. Only then comes `park` or `cancel`.
  @inline(__always)
  static func prepare(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    thread.pointee.parking.store(parking, ordering: .relaxed)
  }

  /// Takes `prepare` back, where nobody was told of the thread.
  @inline(__always)
  static func cancel(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    thread.pointee.parking.store(running, ordering: .relaxed)
  }

  /// Waits until the running thread, which has prepared, is woken; returns at once if it was already.
  @inline(__always)
  static func park() {
    Processor.withInterruptsDisabledProof { proof in
      let own = Scheduler.queues.current
      Switch.checkMaySwitch()
      _ = own.pointee.waiting.acquire(proof)
      // Acquire pairs with the release in `wake`: what was done before is seen.
      if Scheduler.currentRecord.pointee.parking.load(ordering: .acquiring) == running {
        own.pointee.waiting.release(proof)
        return
      }
      Switch.leave(own, .park, proof)
    }
  }

  /// When the stack of a thread that parks has been left.
  @inline(__always)
  static func finish(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    // Release: whoever wakes the thread from now on finds it as it was left. Acquire pairs with the
    // release in `wake`, for the thread, which goes on without another look.
    let result = thread.pointee.parking.compareExchange(
      expected: parking, desired: parked, ordering: .acquiringAndReleasing)
    if !result.exchanged { Placement.put(thread) }
  }

  /// Ends the wait of a thread that has prepared; by the one who took it from where it was told of. Any
  /// context, with interrupts off; wait queues' and timers' locks may be held. Unless it was parked, the
  /// thread may be gone when this returns.
  @inline(__always)
  static func wake(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    if thread.pointee.parking.exchange(running, ordering: .acquiringAndReleasing) == parked {
      Placement.put(thread)
    }
  }
}
