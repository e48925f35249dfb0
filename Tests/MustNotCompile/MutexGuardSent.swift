// expect: capture of 'guarded' with non-Sendable type
import Locking
import Machine
import Scheduler

/// A mutex that another thread gives back.
func wrong(orders: borrowing Mutex<Int>) {
  let guarded = orders.lock()
  _ = try? Thread.spawn { guarded.unlock() }
}
