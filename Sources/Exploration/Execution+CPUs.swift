import CExploration
import CMachine
import Machine

/// What CPUs do, and the change from one to another.
extension Execution {
  /// All that a CPU does, on its own stack.
  func life() {
    takeChosenInterrupt()
    cpus[current].body()
    record(.end)
    cpus[current].state = .idle
    while true { switchAsDecided() }
  }

  /// Lets happen what the strategy decides until it is this CPU's turn to go on.
  @inline(__always)
  func switchAsDecided() {
    repeat {
      let own = current
      guard let action = decide() else { leave() }
      if Int(action.cpu) != own { resume(action) } else { chosen = action }
    } while takeChosenInterrupt()
  }

  /// Continues a CPU, which finds what it is to do in `chosen`.
  func resume(_ action: Action) {
    chosen = action
    let next = Int(action.cpu)
    let from: OpaquePointer
    if current >= 0 {
      cpus[current].lastRun = steps
      cpus[current].processor = apus_simulated_processor().pointee
      from = cpus[current].coroutine
    } else {
      from = thread
    }
    if awaited & (1 << UInt64(next)) != 0 { hasRun(next) }
    apus_simulated_processor().pointee = cpus[next].processor
    current = next
    apus_coroutine_switch(from, cpus[next].coroutine)
  }

  /// Lets those go on that waited until this CPU has run.
  @inline(never)
  private func hasRun(_ cpu: Int) {
    let others: UInt64 = ~(1 << UInt64(cpu))
    awaited &= others
    for index in 0..<cpuCount { cpus[index].awaited &= others }
  }

  /// Takes an interrupt if that was decided, and then has to decide again.
  @discardableResult
  func takeChosenInterrupt() -> Bool {
    guard chosen.isInterrupt else {
      if cpus[current].state != .idle { cpus[current].state = .ready }
      return false
    }
    let own = current
    let number = UInt8(63 - cpus[own].pending.leadingZeroBitCount)
    let vector = number + 64
    if let left = cpus[own].repetitions[vector], left > 0 {
      cpus[own].repetitions[vector] = left - 1
    } else {
      cpus[own].pending &= ~(1 << UInt64(number))
    }
    let wasHalted = cpus[own].state == .halted
    let wasIdle = cpus[own].state == .idle
    // Whoever spins looks again after an interrupt.
    cpus[own].state = .ready
    record(.interrupt(vector))
    apus_simulated_processor().pointee.interrupt_depth += 1
    apus_simulated_processor().pointee.interrupts_enabled = 0
    simulation.interruptHandler?(UInt64(vector))
    apus_simulated_processor().pointee.interrupt_depth -= 1
    record(.endOfInterrupt)
    if !wasHalted && !wasIdle, let exit = simulation.interruptExit {
      // Another thread may go on here, and this one on another CPU.
      exit()
      apus_simulated_processor().pointee.interrupts_enabled = 1
      return true
    }
    apus_simulated_processor().pointee.interrupts_enabled = wasHalted ? 0 : 1
    if wasHalted {
      chosen = Action(cpu: UInt8(own), isInterrupt: false)
      return false
    }
    if wasIdle { cpus[own].state = .idle }
    return true
  }
}
