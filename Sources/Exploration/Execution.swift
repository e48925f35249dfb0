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
  var cpus: UnsafeMutableBufferPointer<SimulatedCPU>
  var cpuCount = 0
  /// The CPU that runs, or -1 between runs.
  var current = -1
  /// CPUs that have come as far as their first point.
  var startedCount = 0
  var chosen = Action(cpu: 0, isInterrupt: false)
  var simulation = Simulation()
  var hasInterrupts = false
  var failure: Failure?
  var steps = 0
  var decisions = 0
  var pauses = 0
  /// Changes of memory that other CPUs may wait for.
  var writes = 0
  /// Turns in a row that a CPU took after a pause though nothing was written.
  var fruitlessTurns = 0
  var nextFruitless = 0
  /// The CPUs for which others wait that paused.
  var awaited: UInt64 = 0
  var clock: UInt64 = 0
  /// What the run did that was not the first option.
  var schedule = Schedule()
  /// The operation that is being done, and what it may change.
  var operation = SimulatedOperation.fence
  var writeAddress: UInt64 = 0
  var writeSize: UInt8 = 0
  var valueBefore: UInt64 = 0

  // Traces.
  var isTracing = false
  var trace: [TraceEntry] = []
  var labels: [(range: Range<UInt>, name: String)] = []

  // What is used for one run after another.
  let thread = apus_coroutine_of_thread()
  var stacks: [OpaquePointer] = []
  /// `Locking`'s bytes of each CPU, and of the thread between runs.
  var storages: [UnsafeMutableRawPointer] = []
  let threadStorage = apus_locking_storage()
  static let lockingByteCount = 512
  let options: UnsafeMutableBufferPointer<Action>
  /// Counts points of all runs, for the watch over CPUs that come to none.
  let progress = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
  let hooks = UnsafeMutablePointer<apus_explorer>.allocate(capacity: 1)

  init(_ scenario: Scenario, strategy: any SchedulingStrategy) {
    self.scenario = scenario
    self.strategy = strategy
    cpus = .allocate(capacity: Explorer.maximumCPUCount)
    options = .allocate(capacity: 2 * Explorer.maximumCPUCount)
    progress.initialize(to: 0)
    hooks.initialize(to: Self.hooks(of: Unmanaged.passUnretained(self).toOpaque()))
  }

  deinit {
    cpus.deallocate()
    options.deallocate()
    hooks.deallocate()
    progress.deallocate()
    for stack in stacks { apus_coroutine_destroy(stack) }
    for storage in storages { storage.deallocate() }
  }

  // MARK: One run

  /// Runs the scenario once as the strategy decides, which has begun a schedule.
  func run() {
    failure = nil
    (steps, decisions, pauses, writes, clock) = (0, 0, 0, 0, 0)
    (fruitlessTurns, nextFruitless, awaited) = (0, 0, 0)
    schedule.deviations.removeAll(keepingCapacity: true)
    trace = []
    let simulation = Simulation()
    simulation.fail = { [unowned self] in fail(.check, $0) }
    simulation.advance = { [unowned self] in clock &+= $0 }
    self.simulation = simulation
    apus_simulated_processor().pointee = Self.processor(index: 0, storage: threadStorage)
    scenario.prepare(simulation)
    start()
    if failure == nil {
      for body in simulation.endChecks where failure == nil { body() }
    }
    finish()
  }

  func start() {
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
    apus_catch_traps(Self.trapped, context, progress)
    current = -1
    startedCount = 0
    if let action = decide() { resume(action) }
    apus_catch_traps(nil, nil, nil)
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
    simulation = Simulation()
  }

  /// Ends the run as failed. On a CPU this does not return.
  func fail(_ kind: Failure.Kind, _ message: String) {
    // The watch over a set-up or a check that takes long.
    if current < 0 && kind == .endless { return }
    if failure == nil { failure = Failure(kind, message) }
    if current >= 0 { leave() }
  }

  /// Goes back to whoever started the run; the CPU never goes on.
  func leave() -> Never {
    let left = current
    current = -1
    apus_coroutine_switch(cpus[left].coroutine, thread)
    fatalError("a run that is over went on")
  }
}
