import Locking
import Machine
import PerCPU

/// A mutex without the state that it guards. Modelled in `Models/Mutex.pml`.
///
/// A thread that finds it taken spins as long as the owner runs on another CPU, and then queues. Whoever
/// gives it back wakes the first in the queue, which has to be quicker than others who want it; one that
/// was not when it was woken once is handed the mutex when it is first again. So a mutex that is wanted
/// often seldom waits for a thread to be woken, and nobody waits for ever.
///
/// The owner is as urgent as those in the queue: see `PriorityInheritance`. A thread is also handed the mutex
/// where a more urgent one waits behind it. So one that is woken to take it, and does not get a CPU, keeps
/// nobody waiting that is more urgent.
@usableFromInline
struct MutexCore: ~Copyable, Sendable {
  /// The owner's record, or 0, and `queued`. The record's address is followed only with the queue's lock held
  /// and `queued` set: the owner cannot give the mutex back then, and stays.
  @usableFromInline let word = Atomic<UInt64>(0)
  let queue = WaitQueue(MutexWaiters())

  /// Set in `word` when a thread enters the queue, and cleared when the last one is taken out: only with
  /// the queue's lock held. While it is set, `word` is not 0, and all take the slow ways.
  private static let queued: UInt64 = 1

  /// A thread that waits for the first time.
  private static let patient: UInt = 0
  /// A thread that was woken and found the mutex taken again.
  private static let impatient: UInt = 1

  /// How often a thread looks at the mutex before it sleeps although the owner runs.
  private static let spinLimit = 1_000

  @_transparent
  @usableFromInline
  init() {}

  /// Takes the mutex; returns what to give it back with. Uncontended: a compare-and-swap.
  @inline(__always)
  @usableFromInline
  borrowing func acquire() -> UInt64 {
    Switch.checkMaySwitch()
    let own = Self.own
    // Acquire pairs with the release in `release`: what the last owner wrote is seen.
    if !word.compareExchange(expected: 0, desired: own, ordering: .acquiring).exchanged {
      _ = acquireInTurn(own, until: .max)
    }
    return own
  }

  /// The same, unless `deadline` passes first, in nanoseconds of `MonotonicClock`.
  @inline(__always)
  @usableFromInline
  borrowing func acquire(until deadline: UInt64) -> UInt64? {
    Switch.checkMaySwitch()
    let own = Self.own
    if word.compareExchange(expected: 0, desired: own, ordering: .acquiring).exchanged
      || acquireInTurn(own, until: deadline)
    {
      return own
    }
    return nil
  }

  /// Takes the mutex if nobody has it and nobody waits.
  @inline(__always)
  @usableFromInline
  borrowing func tryAcquire() -> UInt64? {
    let own = Self.own
    return word.compareExchange(expected: 0, desired: own, ordering: .acquiring).exchanged
      ? own : nil
  }

  /// Gives back what `own` has taken.
  @inline(__always)
  @usableFromInline
  borrowing func release(_ own: UInt64) {
    #if CHECKED
    precondition(own == Self.own, "a mutex is unlocked by another thread than has locked it")
    #endif
    if word.compareExchange(expected: own, desired: 0, ordering: .releasing).exchanged { return }
    releaseToQueue(own)
  }

  /// The running thread as an owner.
  @inline(__always)
  private static var own: UInt64 { UInt64(UInt(bitPattern: Scheduler.currentRecord)) }

  @inline(never)
  @usableFromInline
  borrowing func acquireInTurn(_ own: UInt64, until deadline: UInt64) -> Bool {
    precondition(
      word.load(ordering: .relaxed) & ~Self.queued != own, "a mutex is locked by its owner")
    let thread = Scheduler.currentRecord
    var patience = Self.patient
    while true {
      if spin(own) { return true }
      var isOwner = false
      var visited: UnsafeMutablePointer<ThreadRecord>?
      let wasWoken = queue.waitInTurn(
        until: deadline, as: patience,
        unless: { waiters in
          isOwner = takeOrMarkQueued(own)
          if isOwner { lend(&waiters) } else { visited = join(&waiters, thread) }
          return isOwner
        }, whenQueued: { if let visited { PriorityInheritance.follow(visited) } })
      if isOwner { return true }
      PriorityInheritance.hasWaited(thread)
      // Acquire pairs with the release in `releaseToQueue`, by whoever made this thread the owner.
      if wasWoken && word.load(ordering: .acquiring) & ~Self.queued == own { return true }
      // Woken, and not taken into account by others any more: the mutex has an owner, or is free for this
      // thread to take. So it tries once more even if its time is over.
      if !wasWoken {
        withdraw(thread)
        return false
      }
      patience = Self.impatient
    }
  }

  /// With the queue's lock held, by a thread about to queue: takes the mutex if nobody has it, or makes
  /// sure that its owner will look into the queue.
  private borrowing func takeOrMarkQueued(_ own: UInt64) -> Bool {
    var seen = word.load(ordering: .relaxed)
    while true {
      let isFree = seen & ~Self.queued == 0
      if !isFree && seen & Self.queued != 0 { return false }
      let result = word.compareExchange(
        expected: seen, desired: isFree ? seen | own : seen | Self.queued, ordering: .acquiring)
      if result.exchanged { return isFree }
      seen = result.original
      Processor.pause()
    }
  }

  /// Looks at the mutex as long as its owner runs, on another CPU therefore, and nobody waits for this
  /// one; returns whether it took it.
  private borrowing func spin(_ own: UInt64) -> Bool {
    var owner: UInt64 = 0
    var cpuOfOwner = CPU(index: 0)
    for _ in 0..<Self.spinLimit {
      let seen = word.load(ordering: .relaxed)
      if seen & ~Self.queued == 0 {
        if word.compareExchange(expected: seen, desired: seen | own, ordering: .acquiring).exchanged
        {
          return true
        }
      } else {
        if seen & ~Self.queued != owner {
          owner = seen & ~Self.queued
          guard let cpu = Self.cpu(thatRuns: owner) else { return false }
          cpuOfOwner = cpu
        } else if !Self.runs(owner, on: cpuOfOwner) {
          return false
        }
        if Scheduler.othersWait { return false }
      }
      SpinWait.turn()
    }
    return false
  }

  @inline(__always)
  private static func runs(_ thread: UInt64, on cpu: CPU) -> Bool {
    Scheduler.queues.pointer(for: cpu).pointee.running.load(ordering: .relaxed) == thread
  }

  private static func cpu(thatRuns thread: UInt64) -> CPU? {
    for cpu in CPUSet.online where runs(thread, on: cpu) { return cpu }
    return nil
  }

  @inline(never)
  @usableFromInline
  borrowing func releaseToQueue(_ own: UInt64) {
    precondition(
      word.load(ordering: .relaxed) & ~Self.queued == own,
      "a mutex is unlocked by a thread that does not own it")
    var isDone = false
    var hasBorrowed = false
    let thread = Scheduler.currentRecord
    queue.wake(while: { waiters, first in
      if isDone { return false }
      isDone = true
      if waiters.lent != 0 {
        _ = PriorityInheritance.lend(waiters.lent, to: thread, isGiven: false)
        waiters.lent = 0
        hasBorrowed = true
      }
      guard let first else {
        // Whoever has set `queued` was taken out by its deadline.
        word.store(0, ordering: .releasing)
        return false
      }
      waiters.remove(first.record.pointee.rank)
      // Plain stores: with `queued` set nobody else changes the word but to set it, with this lock held.
      let rest = first.isLast ? 0 : Self.queued
      // Where a more urgent one waits behind it, it is to be the owner, who is lent that, at once.
      let isHandedOver =
        first.purpose == Self.impatient
        || waiters.highestPriority > first.record.pointee.basePriority
      let next = isHandedOver ? UInt64(UInt(bitPattern: first.record)) | rest : rest
      word.store(next, ordering: .releasing)
      lend(&waiters)
      return true
    })
    // The mutex may be gone.
    if hasBorrowed { Processor.withInterruptsDisabled { PriorityInheritance.apply(thread) } }
  }
}

// What the mutex lends its owner. With the queue's lock held, but for `withdraw`.
extension MutexCore {
  /// Counts the running thread, which is about to queue; returns the owner if that is to be followed.
  private borrowing func join(
    _ waiters: inout MutexWaiters, _ thread: UnsafeMutablePointer<ThreadRecord>
  ) -> UnsafeMutablePointer<ThreadRecord>? {
    let rank = withUnsafePointer(to: self) { PriorityInheritance.willWait(thread, for: $0) }
    thread.pointee.rank = rank
    waiters.add(rank)
    guard let owner = lend(&waiters), PriorityInheritance.visit(owner) else { return nil }
    Processor.disablePreemption()
    return owner
  }

  /// Counts a thread no more whose time is over.
  private borrowing func withdraw(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    let visited: UnsafeMutablePointer<ThreadRecord>? = queue.withState { waiters in
      waiters.remove(thread.pointee.rank)
      guard let owner = lend(&waiters), PriorityInheritance.visit(owner) else { return nil }
      Processor.disablePreemption()
      return owner
    }
    if let visited { PriorityInheritance.follow(visited) }
  }

  /// Counts a thread by its priority as it is now, if it is in the queue; returns the owner if that is visited
  /// and to be followed. By whoever visits the thread.
  borrowing func reconsider(
    _ thread: UnsafeMutablePointer<ThreadRecord>
  ) -> UnsafeMutablePointer<ThreadRecord>? {
    queue.withState { waiters in
      if !thread.pointee.wait.isQueued { return nil }
      waiters.remove(thread.pointee.rank)
      thread.pointee.rank = PriorityInheritance.priority(of: thread)
      waiters.add(thread.pointee.rank)
      guard let owner = lend(&waiters), PriorityInheritance.visit(owner) else { return nil }
      return owner
    }
  }

  /// Lends the owner, if there is one, the highest priority in the queue if that is above its own; returns the
  /// owner if something has changed.
  @discardableResult
  private borrowing func lend(
    _ waiters: inout MutexWaiters
  ) -> UnsafeMutablePointer<ThreadRecord>? {
    let highest = UInt8(truncatingIfNeeded: waiters.highestPriority)
    let seen = word.load(ordering: .relaxed)
    guard seen & Self.queued != 0,
      let owner = UnsafeMutablePointer<ThreadRecord>(bitPattern: UInt(seen & ~Self.queued))
    else { return nil }
    let lent = Int(highest) > owner.pointee.basePriority ? highest : 0
    if lent == waiters.lent { return nil }
    if waiters.lent != 0 {
      _ = PriorityInheritance.lend(waiters.lent, to: owner, isGiven: false)
    }
    waiters.lent = lent != 0 && PriorityInheritance.lend(lent, to: owner) ? lent : 0
    PriorityInheritance.apply(owner)
    return owner
  }
}

extension Scheduler {
  /// Whether threads wait for the CPU that executes the call.
  @inline(__always)
  static var othersWait: Bool {
    Processor.withPreemptionDisabled {
      queues.current.pointee.waitingCount.load(ordering: .relaxed) > 0
    }
  }
}
