import Machine
import Tracing

/// A spin lock without the state that it guards, and without the rules of its class.
@usableFromInline
struct SpinLockCore: ~Copyable, Sendable {
  @usableFromInline let isLocked = Atomic<UInt32>(0)
  @usableFromInline let queue = SpinLockQueue()

  @_transparent
  @usableFromInline
  init() {}

  /// Takes the lock. Uncontended: a load, an exchange.
  @inline(__always)
  @usableFromInline
  borrowing func acquire<Class: LockClass>(_: Class.Type) {
    takeLock(Class.self, at: address) {
      // Acquire pairs with the release in `release`: what the last holder wrote is seen.
      // Who comes while others wait waits behind them.
      queue.tail.load(ordering: .relaxed) == 0 && isLocked.exchange(1, ordering: .acquiring) == 0
    } orWait: {
      // Three functions, so that isrcheck can tell them apart: the last two are never to be reached
      // from an interrupt, and only the last but one from a page fault (`interrupts.policy`).
      if Class.Context.isInterruptSafe {
        Locking.waitWithInterruptsOff(self)
      } else if Class.Context.isFaultSafe {
        Locking.waitInFault(self)
      } else {
        Locking.waitInThread(self)
      }
    }
  }

  /// Gives the lock back: one store.
  @inline(__always)
  @usableFromInline
  borrowing func release<Class: LockClass>(_: Class.Type) {
    #if CHECKED
    HeldLocks.willRelease(address, LockIdentity(Class.self))
    #endif
    isLocked.store(0, ordering: .releasing)
  }

  /// What tells this lock from others in the records of checked builds. Atomics do not move while
  /// they are borrowed.
  @usableFromInline
  var address: UInt { withUnsafePointer(to: isLocked) { UInt(bitPattern: $0) } }
}

/// Waits for a thread-only lock and takes it.
@_silgen_name("apus_wait_in_thread")
@inline(never)
@usableFromInline
func waitInThread(_ core: borrowing SpinLockCore) {
  let start = Trace.begin()
  core.queue.wait(for: core.isLocked, interruptsAreOff: false)
  Trace.record(.lockWait, since: start, UInt64(core.address))
}

/// Waits for a lock that page faults take, and takes it. Interrupts are looked at once, which also keeps
/// this from being the same code as the wait above.
@_silgen_name("apus_wait_in_fault")
@inline(never)
@usableFromInline
func waitInFault(_ core: borrowing SpinLockCore) {
  let start = Trace.begin()
  core.queue.wait(for: core.isLocked, interruptsAreOff: !Processor.interruptsAreEnabled)
  Trace.record(.lockWait, since: start, UInt64(core.address))
}

/// Waits for an interrupt-safe lock and takes it.
@_silgen_name("apus_wait_with_interrupts_off")
@inline(never)
@usableFromInline
func waitWithInterruptsOff(_ core: borrowing SpinLockCore) {
  let start = Trace.begin()
  core.queue.wait(for: core.isLocked, interruptsAreOff: true)
  Trace.record(.lockWait, since: start, UInt64(core.address))
}
