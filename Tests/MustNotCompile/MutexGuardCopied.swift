// expect: 'guarded' consumed more than once
import Locking
import Machine
import Scheduler

/// A mutex that is given back twice.
func wrong(orders: borrowing Mutex<Int>) {
  let guarded = orders.lock()
  guarded.unlock()
  guarded.unlock()
}
