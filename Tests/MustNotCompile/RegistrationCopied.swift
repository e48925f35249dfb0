// expect: 'interrupt' consumed more than once
import Interrupts
import Machine
import PerCPU

/// A handler that is released twice.
func wrong() throws(InterruptError) {
  let interrupt = try LineInterrupt(.isa(4), on: CPU(index: 0), name: "test") { _ in .handled }
  let copy = interrupt
  interrupt.release()
  copy.release()
}
