// expect: a thread may not sleep while it holds a spin lock
import Locking
import Machine
import Scheduler

enum Threads: LockClass {
  typealias Context = ThreadOnly
  typealias Level = HeapLevel
  static var name: StaticString { "threads" }
}

/// A mutex inside of a spin lock.
func wrong(threads: borrowing SpinLock<Threads, Int>, orders: borrowing Mutex<Int>) {
  threads.withLockNesting { _, held in
    orders.withLock(inside: held) { $0 += 1 }
  }
}
