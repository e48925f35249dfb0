import Locking
import Machine

/// Threads that wait for something, in the order in which they came, and the state that says whether they
/// have to: both guarded by one lock, so that no wake-up is lost. Modelled in `Models/WaitQueue.pml`.
///
/// What primitives for threads are made of. A thread's place lies on its stack: whoever takes it out does
/// not touch it after the thread was woken.
public struct WaitQueue<State>: ~Copyable, Sendable {
  enum QueueLock: LockClass {
    typealias Context = InterruptSafe
    typealias Level = WaitQueueLevel
    static var name: StaticString { "wait queue" }
  }

  struct Contents {
    var state: State
    var first: UnsafeMutablePointer<WaitPlace>?
    var last: UnsafeMutablePointer<WaitPlace>?
  }

  private let contents: SpinLock<QueueLock, Contents>

  /// A queue of nobody, with `state`.
  public init(_ state: sending State) {
    contents = SpinLock(Contents(state: state))
  }

  /// Runs `body` on the state, alone. Any context. `body` does not wait and takes no locks.
  @inline(__always)
  public borrowing func withState<Result>(_ body: (inout State) -> Result) -> Result {
    contents.withLockAndInterruptsDisabled { body(&$0.state) }
  }

  /// Returns at once if `mayGoOn`, which may change the state; otherwise waits until a thread or handler
  /// wakes this thread. Not in interrupts.
  @inline(__always)
  public borrowing func wait(unless mayGoOn: (inout State) -> Bool) {
    Switch.checkMaySwitch()
    if contents.withLockAndInterruptsDisabled({ mayGoOn(&$0.state) }) { return }
    waitInTurn(unless: mayGoOn)
  }

  /// The same, with what those who wake are to know of this thread, and with `whenQueued`, which runs
  /// after the thread has its place and may be woken: it does not wait. `mayGoOn` is asked once.
  @inline(never)
  borrowing func waitInTurn(
    as purpose: UInt = 0, unless mayGoOn: (inout State) -> Bool, whenQueued: () -> Void = {}
  ) {
    Switch.checkMaySwitch()
    let thread = Scheduler.currentRecord
    precondition(thread.pointee.memory != nil, "a CPU's idle loop waits for something")
    var place = WaitPlace(thread: thread, purpose: purpose)
    withUnsafeMutablePointer(to: &place) { place in
      let waits = contents.withLockAndInterruptsDisabled { contents in
        if mayGoOn(&contents.state) { return false }
        if let last = contents.last { last.pointee.next = place } else { contents.first = place }
        contents.last = place
        // With the lock held: whoever finds the place finds the thread prepared.
        Parking.prepare(thread)
        return true
      }
      if waits {
        whenQueued()
        Parking.park()
      }
    }
  }

  /// Runs `body`, which is told whether a thread waits and says whether the first one is to be woken.
  /// Any context.
  @inline(__always)
  public borrowing func wakeFirst(if body: (inout State, _ someoneWaits: Bool) -> Bool) {
    Processor.withInterruptsDisabledProof { proof in
      let thread: UnsafeMutablePointer<ThreadRecord>? = contents.withLock(
        interruptsDisabled: proof
      ) { contents in
        guard body(&contents.state, contents.first != nil), let place = contents.first else {
          return nil
        }
        contents.first = place.pointee.next
        if contents.first == nil { contents.last = nil }
        return place.pointee.thread
      }
      // The place is gone once the thread is woken, and the thread may be, too.
      if let thread { Parking.wake(thread) }
    }
  }

  /// Takes out the first thread as long as `body`, which is told of it, says so, and wakes all that were
  /// taken out when the queue is free again. Any context.
  @inline(never)
  borrowing func wake(while body: (inout State, Waiter?) -> Bool) {
    Processor.withInterruptsDisabledProof { proof in
      var taken = contents.withLock(interruptsDisabled: proof) { contents in
        let first = contents.first
        var last: UnsafeMutablePointer<WaitPlace>?
        while true {
          let waiter = contents.first.map {
            Waiter(
              record: $0.pointee.thread, purpose: $0.pointee.purpose,
              isLast: $0.pointee.next == nil)
          }
          guard body(&contents.state, waiter), let place = contents.first else { break }
          contents.first = place.pointee.next
          last = place
        }
        if contents.first == nil { contents.last = nil }
        // Those taken out are the first ones, still linked in their order.
        guard let last else { return UnsafeMutablePointer<WaitPlace>?.none }
        last.pointee.next = nil
        return first
      }
      while let place = taken {
        taken = place.pointee.next
        Parking.wake(place.pointee.thread)
      }
    }
  }
}

/// A thread that waits, as those see it who may wake it.
struct Waiter {
  let record: UnsafeMutablePointer<ThreadRecord>
  /// What the thread has said of itself.
  let purpose: UInt
  /// Nobody waits behind it.
  let isLast: Bool
}

/// A thread's place in a wait queue.
struct WaitPlace {
  let thread: UnsafeMutablePointer<ThreadRecord>
  let purpose: UInt
  var next: UnsafeMutablePointer<WaitPlace>?
}
