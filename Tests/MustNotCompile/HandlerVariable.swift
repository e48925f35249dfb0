// expect: mutation of captured var 'count' in concurrently-executing code
import Interrupts
import Machine
import PerCPU

/// A handler that changes what a thread reads, without an atomic.
func wrong() throws(InterruptError) -> Int {
  var count = 0
  let interrupt = try MessageInterrupt(on: CPU(index: 0), name: "test") { _ in
    count += 1
    return .handled
  }
  interrupt.release()
  return count
}
