// expect: 'InterruptContext' initializer is inaccessible due to 'internal' protection level
import Machine
import Scheduler

/// A thread that says it is a handler.
func wrong(arrived: borrowing Semaphore) {
  arrived.signal(from: InterruptContext())
}
