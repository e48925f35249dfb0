#if CHECKED
import Machine

/// What reports say about a lock.
@usableFromInline
struct LockIdentity {
  var name: StaticString
  var rank: Int
  var isInterruptSafe: Bool

  @inline(__always)
  @usableFromInline
  init<Class: LockClass>(_: Class.Type) {
    name = Class.name
    rank = Class.Level.rank
    isInterruptSafe = Class.Context.isInterruptSafe
  }
}

/// The locks that this CPU holds, in the order in which they were taken, and the rules that they
/// keep. Only in checked builds; each broken rule ends the machine and names the locks concerned.
///
/// The record belongs to its CPU: others never look at it. An interrupt handler gives back all that
/// it takes, so that it leaves the record as it was.
@usableFromInline
struct HeldLocks {
  struct Entry {
    var address: UInt
    var identity: LockIdentity
    /// When it was taken, by the clock of the statistics.
    var since: UInt64
  }

  private var count = 0
  private var entries: InlineArray<7, Entry>

  private static var current: UnsafeMutablePointer<HeldLocks> {
    (Processor.lockingStorage + LockingStorage.heldLocksOffset)
      .assumingMemoryBound(to: HeldLocks.self)
  }

  /// How many locks this CPU holds.
  @usableFromInline
  static var count: Int { current.pointee.count }

  /// Runs `body` as if this CPU held no lock: what it takes has its order apart. Interrupts may come.
  @usableFromInline
  static func withNone<Result>(_ body: () -> Result) -> Result {
    var kept = HeldLocks(count: 0, entries: current.pointee.entries)
    swap(&kept, &current.pointee)
    let result = body()
    swap(&kept, &current.pointee)
    return result
  }

  /// Checks that the lock may be taken here and now, before it is waited for.
  @inline(never)
  @usableFromInline
  static func willAcquire(_ address: UInt, _ lock: LockIdentity) {
    if lock.isInterruptSafe {
      if Processor.interruptsAreEnabled {
        LockViolation.report(lock, "is interrupt-safe and taken with interrupts on")
      }
    } else if Processor.isInInterrupt {
      LockViolation.report(lock, "is thread-only and taken in an interrupt")
    }
    let held = current
    for index in 0..<held.pointee.count {
      let other = held.pointee.entries[index]
      if other.address == address {
        LockViolation.report(lock, "is taken by the CPU that holds it")
      }
      if other.identity.rank >= lock.rank {
        LockViolation.report(
          lock, "is taken inside of a lock that is not below it:", other.identity)
      }
      if other.identity.isInterruptSafe && !lock.isInterruptSafe {
        LockViolation.report(
          lock, "is thread-only and taken inside of an interrupt-safe lock:", other.identity)
      }
    }
  }

  /// Checks that a sequence lock may be read here and now.
  @inline(never)
  @usableFromInline
  static func willRead(_ address: UInt, _ lock: LockIdentity) {
    if !lock.isInterruptSafe && Processor.isInInterrupt {
      LockViolation.report(lock, "is thread-only and read in an interrupt")
    }
    let held = current
    for index in 0..<held.pointee.count where held.pointee.entries[index].address == address {
      LockViolation.report(lock, "is read by the CPU that writes it")
    }
  }

  /// Checks that nobody waits for other CPUs while it holds a lock.
  @inline(never)
  @usableFromInline
  static func willWait() {
    let held = current
    if held.pointee.count > 0 {
      LockViolation.report(
        held.pointee.entries[held.pointee.count - 1].identity, "is held while an epoch is awaited")
    }
  }

  /// Notes that the lock is held now, after it was waited for since `start` if it was.
  @inline(never)
  @usableFromInline
  static func didAcquire(_ address: UInt, _ lock: LockIdentity, waitingSince start: UInt64?) {
    let now = LockStatistics.now
    LockStatistics.count(lock, wait: start.map { now &- $0 })
    let held = current
    let count = held.pointee.count
    if count == 7 { LockViolation.report(lock, "is the eighth that the CPU holds") }
    held.pointee.entries[count] = Entry(
      address: address, identity: lock, since: now)
    held.pointee.count = count + 1
  }

  /// Checks that this CPU holds the lock, and strikes it out.
  @inline(never)
  @usableFromInline
  static func willRelease(_ address: UInt, _ lock: LockIdentity) {
    let held = current
    var index = held.pointee.count - 1
    while index >= 0 && held.pointee.entries[index].address != address { index -= 1 }
    if index < 0 { LockViolation.report(lock, "is given back by a CPU that does not hold it") }
    LockStatistics.count(lock, hold: LockStatistics.now &- held.pointee.entries[index].since)
    held.pointee.count -= 1
    while index < held.pointee.count {
      held.pointee.entries[index] = held.pointee.entries[index + 1]
      index += 1
    }
  }
}

/// The locks that this CPU holds, to the handling of page faults: a fault on the stack may come with any lock
/// held, whose order is not that of the locks which the fault takes.
public enum HeldLockCount {
  /// How many there are.
  public static var current: Int { HeldLocks.count }

  /// Runs `body` as if there were none.
  public static func withNone<Result>(_ body: () -> Result) -> Result { HeldLocks.withNone(body) }
}
#endif
