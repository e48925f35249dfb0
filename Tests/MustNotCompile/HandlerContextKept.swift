// expect: 'context' is borrowed and cannot be consumed
import Interrupts
import Machine
import PerCPU

func take(_ context: consuming InterruptContext) {}

/// A handler that gives its proof away.
func wrong() throws(InterruptError) {
  let interrupt = try MessageInterrupt(on: CPU(index: 0), name: "test") { context in
    take(context)
    return .handled
  }
  interrupt.release()
}
