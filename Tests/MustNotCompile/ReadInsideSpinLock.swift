// expect: a thread may not sleep while it holds a spin lock
import Locking
import Machine
import Scheduler

enum Handlers: LockClass {
  typealias Context = InterruptSafe
  typealias Level = LogLevel
  static var name: StaticString { "handlers" }
}

/// A reader-writer lock for threads inside of a lock that handlers take.
func wrong(handlers: borrowing SpinLock<Handlers, Int>, table: borrowing RWLock<Int>) {
  handlers.withLockNestingAndInterruptsDisabled { _, held in
    table.withReadLock(inside: held) { _ = $0 }
  }
}
