// expect: a thread may not sleep with interrupts off
import Locking
import Machine
import Scheduler

/// A mutex by what a handler has in its hands.
func wrong(orders: borrowing Mutex<Int>, proof: borrowing InterruptsDisabled) {
  orders.withLock(interruptsDisabled: proof) { $0 += 1 }
}
