import CMachine
import Machine

/// The points of a run: what `Machine` tells of.
extension Execution {
  /// Before an operation of the current CPU.
  func step(_ operation: SimulatedOperation, address: UInt64, size: UInt8) {
    let own = current
    steps += 1
    progress.pointee &+= 1
    clock += 10
    if !simulation.invariants.isEmpty { checkInvariants() }
    if steps > scenario.stepLimit {
      fail(.endless, "the run does not end: \(steps) operations")
    }
    switch operation {
    case .pause: pause()
    case .waitForInterrupt:
      // An interrupt that comes before the halt does not end it.
      switchAsDecided()
      record(.operation(operation, address: 0, byteCount: 0))
      cpus[own].state = .halted
      switchAsDecided()
      return
    case .walk, .access: cpus[own].isWithinInstruction = true
    default: break
    }
    // What only this CPU can notice is a point only where an interrupt may tell the difference.
    switch operation {
    case .disableInterrupts, .enableInterrupts: if hasInterrupts { switchAsDecided() }
    default: switchAsDecided()
    }
    // Not `own`: a thread may go on on another CPU than it was interrupted on.
    cpus[current].isWithinInstruction = false
    if size > 0 {
      (self.operation, writeAddress, writeSize) = (operation, address, size)
      valueBefore = Self.value(at: address, size: size)
    }
    record(.operation(operation, address: address, byteCount: size))
  }

  /// After an operation of the current CPU that may have written what `step` was told of.
  func written() {
    let value = Self.value(at: writeAddress, size: writeSize)
    if value != valueBefore {
      writes += 1
      fruitlessTurns = 0
    }
    if isTracing, !trace.isEmpty { trace[trace.count - 1].after = value }
    // Whoever was told by the write may act before the writer goes on: if that still touches what it
    // gave away, ordinary memory without a point of its own, this shows it.
    switch operation {
    case .walk, .access: break
    default: if scenario.hasPointsAfterWrites { switchAsDecided() }
    }
  }

  /// Nanoseconds of simulated time: it passes with each operation.
  var now: UInt64 { clock }

  /// Makes the current CPU's timer interrupt pending at a time.
  func armTimer(at deadline: UInt64) { cpus[current].timerDeadline = deadline }

  func pause() {
    let own = current
    clock += 1000
    if cpus[own].insistence > 0 {
      cpus[own].insistence -= 1
      return
    }
    let index = pauses
    pauses += 1
    if strategy.insists(atPause: index) {
      schedule.deviations.append(.insist(pause: index))
      cpus[own].insistence = 100
    } else {
      cpus[own].state = .paused(writes: writes)
      awaitOvertaken()
    }
  }

  /// Makes the current CPU, which pauses, wait for those that could have run since its pause before and did not.
  ///
  /// Spins that write, as the retries of a page fault do, wake each other for ever, and never let the CPU run that
  /// they wait for: no machine is so unfair (fair stateless model checking: Musuvathi and Qadeer, 2008).
  private func awaitOvertaken() {
    let before = cpus[current].lastPause
    cpus[current].lastPause = steps
    guard before > 0 else { return }
    for index in 0..<cpuCount
    where index != current && cpus[index].state == .ready && cpus[index].lastRun < before {
      cpus[current].awaited |= 1 << UInt64(index)
      awaited |= 1 << UInt64(index)
    }
  }

  func send(_ vector: UInt8, to index: Int) {
    guard index < cpuCount else { return fail(.check, "an interrupt is sent to CPU \(index)") }
    cpus[index].pending |= Self.bit(vector)
  }

  /// Records a byte that leaves the machine.
  func output(_ byte: UInt8, to channel: OutputChannel) {
    simulation.output[channel, default: []].append(byte)
  }

  static func bit(_ vector: UInt8) -> UInt64 {
    precondition(vector >= 64 && vector < 128, "a vector that is not the kernel's")
    return 1 << UInt64(vector - 64)
  }

  func checkInvariants() { check(simulation.invariants) }

  func check(_ conditions: [(name: String, holds: () -> Bool)]) {
    let hooks = apus_simulated_processor().pointee.explorer
    apus_simulated_processor().pointee.explorer = nil
    for (name, holds) in conditions where !holds() {
      apus_simulated_processor().pointee.explorer = hooks
      fail(.check, "invariant: \(name)")
    }
    apus_simulated_processor().pointee.explorer = hooks
  }
}
