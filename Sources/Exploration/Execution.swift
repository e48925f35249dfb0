import CExploration
import CMachine
import Machine

/// Runs of one scenario, one after another: plays all CPUs on this thread, and asks a strategy at
/// each point where more than one thing may happen next.
///
/// A point is before an operation that other CPUs may see or that may see them. What lies between two
/// points happens at once, so memory is sequentially consistent.
final class Execution {
  let scenario: Scenario
  var strategy: any SchedulingStrategy

  // The run.
  private var cpus: UnsafeMutableBufferPointer<SimulatedCPU>
  private var cpuCount = 0
  /// The CPU that runs, or -1 between runs.
  private var current = -1
  /// CPUs that have come as far as their first point.
  private var startedCount = 0
  private var chosen = Action(cpu: 0, isInterrupt: false)
  private var simulation: Simulation!
  private var hasInterrupts = false
  private(set) var failure: Failure?
  private(set) var steps = 0
  private(set) var decisions = 0
  private var pauses = 0
  /// Changes of memory that other CPUs may wait for.
  private var writes = 0
  /// Turns in a row that a CPU took after a pause though nothing was written.
  private var fruitlessTurns = 0
  private var nextFruitless = 0
  private var clock: UInt64 = 0
  /// What the run did that was not the first option.
  private(set) var schedule = Schedule()
  /// The operation that is being done, and what it may change.
  private var operation = SimulatedOperation.fence
  private var writeAddress: UInt64 = 0
  private var writeSize: UInt8 = 0
  private var valueBefore: UInt64 = 0

  // Traces.
  var isTracing = false
  private(set) var trace: [TraceEntry] = []
  private(set) var labels: [(range: Range<UInt>, name: String)] = []

  // What is used for one run after another.
  private let thread = apus_coroutine_of_thread()
  private var stacks: [OpaquePointer] = []
  /// `Locking`'s bytes of each CPU, and of the thread between runs.
  private var storages: [UnsafeMutableRawPointer] = []
  private let threadStorage = apus_locking_storage()
  private static let lockingByteCount = 512
  private let options: UnsafeMutableBufferPointer<Action>
  private let hooks = UnsafeMutablePointer<apus_explorer>.allocate(capacity: 1)

  init(_ scenario: Scenario, strategy: any SchedulingStrategy) {
    self.scenario = scenario
    self.strategy = strategy
    cpus = .allocate(capacity: Explorer.maximumCPUCount)
    options = .allocate(capacity: 2 * Explorer.maximumCPUCount)
    hooks.initialize(to: Self.hooks(of: Unmanaged.passUnretained(self).toOpaque()))
  }

  deinit {
    cpus.deallocate()
    options.deallocate()
    hooks.deallocate()
    for stack in stacks { apus_coroutine_destroy(stack) }
    for storage in storages { storage.deallocate() }
  }

  // MARK: One run

  /// Runs the scenario once as the strategy decides, which has begun a schedule.
  func run() {
    failure = nil
    (steps, decisions, pauses, writes, clock) = (0, 0, 0, 0, 0)
    (fruitlessTurns, nextFruitless) = (0, 0)
    schedule.deviations.removeAll(keepingCapacity: true)
    trace = []
    let simulation = Simulation(self)
    self.simulation = simulation
    apus_simulated_processor().pointee = Self.processor(index: 0, storage: threadStorage)
    scenario.prepare(simulation)
    start()
    if failure == nil {
      for body in simulation.endChecks where failure == nil { body() }
    }
    finish()
  }

  private func start() {
    cpuCount = simulation.bodies.count
    precondition(cpuCount > 0 && cpuCount <= Explorer.maximumCPUCount)
    hasInterrupts = simulation.interruptHandler != nil
    let context = Unmanaged.passUnretained(self).toOpaque()
    while stacks.count < cpuCount {
      guard let stack = apus_coroutine_create(Explorer.stackSize) else {
        fatalError("no memory for the stack of a simulated CPU")
      }
      stacks.append(stack)
    }
    while storages.count < cpuCount {
      storages.append(.allocate(byteCount: Self.lockingByteCount, alignment: 64))
    }
    for storage in storages {
      storage.initializeMemory(as: UInt8.self, repeating: 0, count: Self.lockingByteCount)
    }
    for (index, body) in simulation.bodies.enumerated() {
      apus_coroutine_prepare(
        stacks[index],
        { context in
          guard let context else { return }
          Unmanaged<Execution>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.life() }
        }, context)
      cpus.initializeElement(
        at: index,
        to: SimulatedCPU(
          coroutine: stacks[index], body: body,
          processor: Self.processor(index: index, storage: storages[index])))
    }
    for (vector, cpu, times) in simulation.interrupts {
      cpus[cpu].pending |= Self.bit(vector.rawValue)
      cpus[cpu].repetitions[vector.rawValue] = times - 1
    }
    // The memory and its management units that the set-up made are every CPU's.
    let machine = apus_simulated_processor().pointee
    for index in 0..<cpuCount {
      cpus[index].processor.explorer = UnsafePointer(hooks)
      cpus[index].processor.mmu = machine.mmu
      cpus[index].processor.memory_base = machine.memory_base
    }
    apus_catch_traps(Self.trapped, context)
    current = -1
    startedCount = 0
    if let action = decide() { resume(action) }
    apus_catch_traps(nil, nil)
    apus_simulated_processor().pointee = machine
    current = -1
  }

  /// A CPU's state at the start: interrupts are on.
  private static func processor(
    index: Int, storage: UnsafeMutableRawPointer
  ) -> apus_simulated_processor {
    var processor: apus_simulated_processor = .init()
    processor.index = Int64(index)
    processor.interrupts_enabled = 1
    processor.locking_storage = storage
    return processor
  }

  private func finish() {
    labels = simulation.labels
    if failure == nil {
      for index in 0..<cpuCount { cpus.deinitializeElement(at: index) }
      simulation.clear()
    } else {
      // Nobody may use the stacks again: what CPUs left on them still refers to objects, and objects
      // to them. A failure ends an exploration, so little is lost.
      stacks = []
      storages = []
      _ = Unmanaged.passRetained(simulation)
    }
    apus_simulated_processor().pointee = Self.processor(index: 0, storage: threadStorage)
    simulation = nil
  }

  /// Ends the run as failed. On a CPU this does not return.
  func fail(_ kind: Failure.Kind, _ message: String) {
    if failure == nil { failure = Failure(kind, message) }
    if current >= 0 { leave() }
  }

  /// Goes back to whoever started the run; the CPU never goes on.
  private func leave() -> Never {
    let left = current
    current = -1
    apus_coroutine_switch(cpus[left].coroutine, thread)
    fatalError("a run that is over went on")
  }

  // MARK: CPUs

  /// All that a CPU does, on its own stack.
  private func life() {
    takeChosenInterrupt()
    cpus[current].body()
    record(.end)
    cpus[current].state = .idle
    while true { switchAsDecided() }
  }

  /// Lets happen what the strategy decides until it is this CPU's turn to go on.
  @inline(__always)
  private func switchAsDecided() {
    repeat {
      let own = current
      guard let action = decide() else { leave() }
      if Int(action.cpu) != own { resume(action) } else { chosen = action }
    } while takeChosenInterrupt()
  }

  /// Continues a CPU, which finds what it is to do in `chosen`.
  private func resume(_ action: Action) {
    chosen = action
    let next = Int(action.cpu)
    let from: OpaquePointer
    if current >= 0 {
      cpus[current].processor = apus_simulated_processor().pointee
      from = cpus[current].coroutine
    } else {
      from = thread
    }
    apus_simulated_processor().pointee = cpus[next].processor
    current = next
    apus_coroutine_switch(from, cpus[next].coroutine)
  }

  /// Takes an interrupt if that was decided, and then has to decide again.
  @discardableResult
  private func takeChosenInterrupt() -> Bool {
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
    apus_simulated_processor().pointee.interrupts_enabled = wasHalted ? 0 : 1
    apus_simulated_processor().pointee.interrupt_depth -= 1
    record(.endOfInterrupt)
    if wasHalted {
      chosen = Action(cpu: UInt8(own), isInterrupt: false)
      return false
    }
    if wasIdle { cpus[own].state = .idle }
    return true
  }

  // MARK: Points

  /// Before an operation of the current CPU.
  func step(_ operation: SimulatedOperation, address: UInt64, size: UInt8) {
    let own = current
    steps += 1
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
    cpus[own].isWithinInstruction = false
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

  private func pause() {
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

  private static func bit(_ vector: UInt8) -> UInt64 {
    precondition(vector >= 64 && vector < 128, "a vector that is not the kernel's")
    return 1 << UInt64(vector - 64)
  }

  private func checkInvariants() {
    let hooks = apus_simulated_processor().pointee.explorer
    apus_simulated_processor().pointee.explorer = nil
    for (name, holds) in simulation.invariants where !holds() {
      apus_simulated_processor().pointee.explorer = hooks
      fail(.check, "invariant: \(name)")
    }
    apus_simulated_processor().pointee.explorer = hooks
  }

  // MARK: Decisions

  /// What happens next; `nil` when the run is over or cannot go on.
  private func decide() -> Action? {
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
  private func canGoOn(_ index: Int) -> Bool {
    switch cpus[index].state {
    case .ready: true
    case .paused(let seen): seen != writes
    case .halted, .idle: false
    }
  }

  private func choose(_ count: Int, continuesCurrent: Bool) -> Action {
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

  /// Where all CPUs pause and nothing was written, each in turn looks again: its spin may be bounded.
  private func fruitlessTurn() -> Action? {
    var spinning = 0
    for index in 0..<cpuCount {
      if case .paused = cpus[index].state { spinning += 1 }
    }
    guard spinning > 0 else { return nil }
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
  private func passTime() -> Bool {
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

  private func stuck() -> Action? {
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

  // MARK: Records

  @inline(__always)
  private func record(_ event: @autoclosure () -> TraceEntry.Event) {
    if isTracing { appendToTrace(event()) }
  }

  @inline(never)
  private func appendToTrace(_ event: TraceEntry.Event) {
    var entry = TraceEntry(
      cpu: current, depth: Int(apus_simulated_processor().pointee.interrupt_depth), event: event)
    if case .operation(_, let address, let size) = event {
      if size > 0 { entry.before = Self.value(at: address, size: size) }
      var addresses = [UnsafeMutableRawPointer?](repeating: nil, count: 16)
      let count = Int(apus_callers(&addresses, 16))
      entry.callers = addresses.prefix(count).map { UInt(bitPattern: $0) }
    }
    trace.append(entry)
  }

  private static func value(at address: UInt64, size: UInt8) -> UInt64 {
    guard let pointer = UnsafeRawPointer(bitPattern: UInt(address)) else { return 0 }
    return switch size {
    case 1: UInt64(pointer.load(as: UInt8.self))
    case 2: UInt64(pointer.load(as: UInt16.self))
    case 4: UInt64(pointer.load(as: UInt32.self))
    case 8: pointer.load(as: UInt64.self)
    default: 0
    }
  }
}
