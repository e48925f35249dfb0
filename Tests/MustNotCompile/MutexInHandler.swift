// expect: an interrupt's handler may not sleep
import Machine
import Scheduler

/// A mutex taken by what a handler has in its hands.
func wrong(orders: borrowing Mutex<Int>, context: borrowing InterruptContext) {
  orders.withLock(from: context) { $0 += 1 }
}
