// expect: an interrupt's handler may not sleep
import Machine
import Scheduler

/// A permit waited for by what a handler has in its hands.
func wrong(arrived: borrowing Semaphore, context: borrowing InterruptContext) {
  arrived.wait(from: context)
}
