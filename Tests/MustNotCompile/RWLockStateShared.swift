// expect: does not conform to the 'Sendable' protocol
import Locking
import Machine
import Scheduler

final class Unshared {
  var count = 0
}

func share<Lock: Sendable & ~Copyable>(_ lock: borrowing Lock) {}

/// A reader-writer lock around what only one thread may read at a time.
func wrong(_ lock: borrowing RWLock<Unshared>) { share(lock) }
