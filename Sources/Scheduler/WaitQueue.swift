import Locking
import Machine

/// Threads that wait for something, in the order in which they came, and the state that says whether they
/// have to: both guarded by one lock, so that no wake-up is lost. Modelled in `Models/WaitQueue.pml`.
///
/// What primitives for threads are made of. A thread's place is a part of its record: whoever takes it out
/// does not touch it after the thread was woken.
public struct WaitQueue<State>: ~Copyable {
  // Beside the state, not around it: a timer's handler takes places out and knows no `State`.
  private let places = WaitPlaces(WaitList())
  /// Guarded by the lock of `places`.
  private let state: LockedStorage<State>

  /// A queue of nobody, with `state`.
  public init(_ state: sending State) {
    self.state = LockedStorage(state)
  }

  /// Runs `body` on the state, alone. Any context. `body` does not wait and takes no locks.
  @inline(__always)
  public borrowing func withState<Result>(_ body: (inout State) -> Result) -> Result {
    let state = state.address
    return places.withLockAndInterruptsDisabled { _ in body(&state.pointee) }
  }

  /// The same where interrupts are off.
  @inline(__always)
  borrowing func withState<Result>(
    interruptsDisabled proof: borrowing InterruptsDisabled, _ body: (inout State) -> Result
  ) -> Result {
    let state = state.address
    return places.withLock(interruptsDisabled: proof) { _ in body(&state.pointee) }
  }

  /// Returns at once if `mayGoOn`, which may change the state; otherwise waits until a thread or handler
  /// wakes this thread. Not in interrupts.
  @inline(__always)
  public borrowing func wait(unless mayGoOn: (inout State) -> Bool) {
    Switch.checkMaySwitch()
    if withState(mayGoOn) { return }
    waitInTurn(until: .max, unless: mayGoOn)
  }

  /// `wait`, no longer than until `deadline` (nanoseconds of `MonotonicClock`; `UInt64.max` is never). Returns
  /// whether the thread might go on or was woken; if not, it is in the queue no more.
  @inline(__always)
  public borrowing func wait(
    until deadline: UInt64, unless mayGoOn: (inout State) -> Bool
  ) -> Bool {
    Switch.checkMaySwitch()
    if withState(mayGoOn) { return true }
    return waitInTurn(until: deadline, unless: mayGoOn)
  }

  /// `wait`, with what those who wake are to know of this thread, and with `whenQueued`, which runs when the
  /// thread has its place and may be woken already, and does not wait. `mayGoOn` is asked once.
  @inline(never)
  @discardableResult
  borrowing func waitInTurn(
    until deadline: UInt64 = .max, as purpose: UInt = 0, unless mayGoOn: (inout State) -> Bool,
    whenQueued: () -> Void = {}
  ) -> Bool {
    Switch.checkMaySwitch()
    let thread = Scheduler.currentRecord
    precondition(thread.pointee.memory != nil, "a CPU's idle loop waits for something")
    let state = state.address
    let waits = places.withLockAndInterruptsDisabled { list in
      if mayGoOn(&state.pointee) { return false }
      thread.pointee.wait = WaitPlace(purpose: purpose)
      list.append(thread)
      // With the lock held: whoever finds the place finds the thread prepared.
      Parking.prepare(thread)
      return true
    }
    if !waits { return true }
    whenQueued()
    if deadline == .max {
      Parking.park()
      return true
    }
    return withUnsafePointer(to: places) { Timeout.park(thread, in: $0, until: deadline) }
  }

  /// Runs `body`, which is told whether a thread waits and says whether the first one is to be woken.
  /// Any context.
  @inline(__always)
  public borrowing func wakeFirst(if body: (inout State, _ someoneWaits: Bool) -> Bool) {
    let state = state.address
    Processor.withInterruptsDisabledProof { proof in
      let thread: UnsafeMutablePointer<ThreadRecord>? = places.withLock(
        interruptsDisabled: proof
      ) { list in
        guard body(&state.pointee, list.first != nil), let thread = list.first else { return nil }
        list.remove(thread)
        return thread
      }
      // Once it is woken, the thread may be gone.
      if let thread { Parking.wake(thread) }
    }
  }

  /// Runs `body` with the first thread of the queue, or with `nil` if none waits, and takes that one out if
  /// it says so; then again, until it says no or none is left to take. All that were taken out are woken
  /// afterwards, in that order. Any context.
  @inline(__always)
  borrowing func wake(while body: (inout State, Waiter?) -> Bool) {
    let state = state.address
    Processor.withInterruptsDisabledProof { proof in
      var taken: UnsafeMutablePointer<ThreadRecord>? = places.withLock(interruptsDisabled: proof) {
        list in
        var taken = WaitList()
        while true {
          let waiter = list.first.map {
            Waiter(
              record: $0, purpose: $0.pointee.wait.purpose, isLast: $0.pointee.wait.next == nil)
          }
          guard body(&state.pointee, waiter), let thread = list.first else { break }
          list.remove(thread)
          taken.link(thread)
        }
        return taken.first
      }
      while let thread = taken {
        // Before the thread is woken, and perhaps gone.
        taken = thread.pointee.wait.next
        Parking.wake(thread)
      }
    }
  }
}

// The state is only reached with the lock held.
extension WaitQueue: @unchecked Sendable {}

typealias WaitPlaces = SpinLock<WaitList.Lock, WaitList>

/// The threads in a wait queue, first come first.
struct WaitList: ~Copyable {
  enum Lock: LockClass {
    typealias Context = InterruptSafe
    typealias Level = WaitQueueLevel
    static var name: StaticString { "wait queue" }
  }

  private(set) var first: UnsafeMutablePointer<ThreadRecord>?
  private var last: UnsafeMutablePointer<ThreadRecord>?

  @inline(__always)
  mutating func append(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    thread.pointee.wait.isQueued = true
    link(thread)
  }

  /// Puts a thread behind the last one that is in no queue: for those that are about to be woken.
  @inline(__always)
  mutating func link(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    thread.pointee.wait.next = nil
    thread.pointee.wait.previous = last
    if let last { last.pointee.wait.next = thread } else { first = thread }
    last = thread
  }

  @inline(__always)
  mutating func remove(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    let next = thread.pointee.wait.next
    let previous = thread.pointee.wait.previous
    if let next { next.pointee.wait.previous = previous } else { last = previous }
    if let previous { previous.pointee.wait.next = next } else { first = next }
    thread.pointee.wait.isQueued = false
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

/// A thread's place in a wait queue; guarded by the queue's lock, and of whoever took it out afterwards.
struct WaitPlace {
  var purpose: UInt = 0
  var isQueued = false
  var isTimedOut = false
  var next: UnsafeMutablePointer<ThreadRecord>?
  var previous: UnsafeMutablePointer<ThreadRecord>?
  /// Where it waits, for a timer's handler. Constant while a timer is set.
  var queue: UnsafePointer<WaitPlaces>?
}
