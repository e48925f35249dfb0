import CMachine
import Machine

/// What may happen next, and which of it does.
extension Execution {
  /// What happens next; `nil` when the run is over or cannot go on.
  func decide() -> Action? {
    let first: Int
    if current >= 0 {
      cpus[current].processor.interrupts_enabled =
        apus_simulated_processor().pointee.interrupts_enabled
    }
    if startedCount <= cpuCount {
      // What a CPU does before its first point nobody sees, so it is not a matter of order.
      startedCount += 1
      if startedCount <= cpuCount {
        return Action(cpu: UInt8(startedCount - 1), isInterrupt: false)
      }
      first = 0
    } else {
      first = current
    }
    while true {
      var count = 0
      var continuesCurrent = false
      if first == current, canGoOn(current) {
        options[0] = Action(cpu: UInt8(current), isInterrupt: false)
        (count, continuesCurrent) = (1, true)
      }
      for offset in 0..<cpuCount {
        var index = first + offset
        if index >= cpuCount { index -= cpuCount }
        if (index == first && continuesCurrent) || !canGoOn(index) { continue }
        options[count] = Action(cpu: UInt8(index), isInterrupt: false)
        count += 1
      }
      if hasInterrupts {
        for index in 0..<cpuCount {
          if clock >= cpus[index].timerDeadline {
            cpus[index].timerDeadline = .max
            cpus[index].pending |= Self.bit(InterruptVector.timer.rawValue)
          }
          if cpus[index].takesInterrupts {
            options[count] = Action(cpu: UInt8(index), isInterrupt: true)
            count += 1
          }
        }
      }
      if count > 1 { return choose(count, continuesCurrent: continuesCurrent) }
      if count == 1 { return options[0] }
      if let action = fruitlessTurn() { return action }
      if failure != nil || !passTime() { return nil }
    }
  }

  @inline(__always)
  func canGoOn(_ index: Int) -> Bool {
    switch cpus[index].state {
    case .ready: true
    case .paused(let seen): seen != writes && cpus[index].awaited == 0
    case .halted, .idle: false
    }
  }

  func choose(_ count: Int, continuesCurrent: Bool) -> Action {
    let index = decisions
    decisions += 1
    let choice = strategy.choose(
      Decision(
        index: index, options: UnsafeBufferPointer(rebasing: options[..<count]),
        continuesCurrent: continuesCurrent))
    let action = options[choice]
    if choice != 0 {
      schedule.deviations.append(
        action.isInterrupt
          ? .interrupt(cpu: action.cpu, decision: index) : .run(cpu: action.cpu, decision: index))
    }
    return action
  }

  /// Where all CPUs pause and nothing was written, each in turn looks again: it may have looked before the last
  /// write, and its spin may be bounded. When all have, this is a standstill.
  func fruitlessTurn() -> Action? {
    var spinning = 0
    for index in 0..<cpuCount {
      if case .paused = cpus[index].state { spinning += 1 }
    }
    if spinning == 0 || fruitlessTurns == spinning { check(simulation.standstills) }
    guard spinning > 0 && failure == nil else { return nil }
    fruitlessTurns += 1
    if fruitlessTurns > scenario.patience * spinning {
      return stuck()
    }
    repeat {
      nextFruitless = (nextFruitless + 1) % cpuCount
      if case .paused = cpus[nextFruitless].state { break }
    } while true
    return Action(cpu: UInt8(nextFruitless), isInterrupt: false)
  }

  /// Where CPUs halt and nothing is pending, the next timer ends it; returns whether the run goes on.
  func passTime() -> Bool {
    var earliest = UInt64.max
    var isOver = true
    for index in 0..<cpuCount {
      if cpus[index].state != .idle { isOver = false }
      earliest = min(earliest, cpus[index].timerDeadline)
    }
    if isOver { return false }
    if earliest == .max || !hasInterrupts {
      _ = stuck()
      return false
    }
    clock = max(clock, earliest)
    return true
  }

  func stuck() -> Action? {
    let states = (0..<cpuCount).map { index in
      let state =
        switch cpus[index].state {
        case .ready: "runs"
        case .paused: "spins, and nobody writes"
        case .halted: "halts, and no interrupt comes"
        case .idle: "is through"
        }
      return
        "CPU \(index) \(state)\(cpus[index].processor.interrupt_depth > 0 ? " in an interrupt" : "")"
    }
    failure = Failure(.deadlock, "no CPU gets on: \(states.joined(separator: "; "))")
    return nil
  }
}
