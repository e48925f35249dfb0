import Apus
import CBenchmarks
import Machine
import Scheduler

/// An operation that all CPUs do at the same time, to see what more CPUs make of it:
/// `apus bench --scaling` boots the image with few and with many.
struct Scaling {
  typealias Place = WorkingSet.Memory

  let name: String
  /// How often each CPU does the work in a pass, and how many operations that is.
  let rounds: Int
  let operations: Int
  /// How many CPUs it needs.
  var leastCPUs = 1
  /// Makes what the work needs for so many rounds on so many CPUs, before they come.
  var prepare: (_ rounds: Int, _ cpus: Int) -> Void = { _, _ in }
  /// Gives back what it needed.
  var finish: (_ rounds: Int, _ cpus: Int) -> Void = { _, _ in }
  let work: Work

  enum Work {
    /// One round of the work on one CPU; a function without a context, which CPUs would share.
    case each(@convention(c) (Place) -> Void)
    /// The same for work in which CPUs take turns, and which passes the marks itself.
    case inTurn(@convention(c) (Place) -> Void)
    /// All rounds of all CPUs by one call.
    case together((_ rounds: Int) -> Void)
  }

  /// What of a CPU's memory the working set leaves free.
  enum Word {
    static let cpu = 1
    static let cpus = 2
    static let round = 3
    static let meetings = 4
    static let window = 5
  }

  /// The window of an operation that looks for CPUs itself.
  static var windowOfAll: Int { 30 }

  private static let arrivals = Atomic<Int>(0)

  /// Measures one operation.
  ///
  /// - Parameters:
  ///   - window: the window that accesses to memory belong to.
  ///   - factor: how often the rounds are done.
  func run(window: Int, factor: Int) {
    let cpus = CPUSet.online.count
    let rounds = rounds * factor
    guard cpus >= leastCPUs else { return }
    prepare(rounds, cpus)
    InstructionCounter.mark(Marks.phase)
    let sent: Int
    switch work {
    case .each(let work):
      sent = Self.onEachCPU(cpus, window) { place in
        for _ in 0..<rounds { Self.doRound(place, work) }
        Self.meet(place)
        Marks.start()
        InstructionCounter.mark(Marks.firstWindow + UInt64(window))
        for _ in 0..<rounds { Self.doRound(place, work) }
        InstructionCounter.mark(Marks.left)
        Marks.stop()
      }
    case .inTurn(let work):
      sent = Self.onEachCPU(cpus, window) { place in
        for _ in 0..<rounds * cpus { Self.doRound(place, work) }
      }
    case .together(let work): sent = Self.together(rounds * cpus, work)
    }
    finish(rounds, cpus)
    let isTogether = if case .together = work { true } else { false }
    let own = isTogether ? Self.windowOfAll : window
    let records = "\(Frames.recordsStart) \(Frames.recordSize)"
    print("scaling \(name) \(own) \(rounds * cpus * operations) \(sent) \(records)")
  }

  /// Does something on each CPU and tells how many interrupts CPUs have sent each other in the last pass.
  private static func onEachCPU(
    _ cpus: Int, _ window: Int, _ body: @escaping @Sendable (Place) -> Void
  ) -> Int {
    let before = Atomic<Int>(0)
    let after = Atomic<Int>(0)
    arrivals.store(0, ordering: .relaxed)
    CPUSet.online.run { cpu in
      let place = WorkingSet.makeMemory()
      place[Word.cpu] = UInt(cpu.index)
      place[Word.cpus] = UInt(cpus)
      place[Word.window] = UInt(window)
      meet(place)
      before.store(sentInterrupts, ordering: .relaxed)
      body(place)
      after.wrappingAdd(1, ordering: .acquiringAndReleasing)
      while after.load(ordering: .acquiring) < cpus { Processor.pause() }
    }
    return sentInterrupts - before.load(ordering: .relaxed)
  }

  /// The same for something that looks for CPUs itself.
  private static func together(_ rounds: Int, _ work: (Int) -> Void) -> Int {
    work(rounds)
    let before = sentInterrupts
    CPUSet.online.interrupt { _ in benchmark_enter_window_of_all() }
    work(rounds)
    CPUSet.online.interrupt { _ in benchmark_leave_window_of_all() }
    return sentInterrupts - before
  }

  /// Under the clock of instructions a CPU gives way at a pause only: so the CPUs take turns.
  @inline(__always)
  private static func doRound(_ place: Place, _ work: @convention(c) (Place) -> Void) {
    work(place)
    place[Word.round] += 1
    Processor.pause()
  }

  /// Waits until every CPU has come here as often as this one.
  static func meet(_ place: Place) {
    place[Word.meetings] += 1
    let wanted = Int(place[Word.meetings] * place[Word.cpus])
    arrivals.wrappingAdd(1, ordering: .acquiringAndReleasing)
    while arrivals.load(ordering: .acquiring) < wanted { Processor.pause() }
  }

  /// The interrupts by which CPUs told others of pages and of threads.
  private static var sentInterrupts: Int {
    var sum = 0
    for index in 0..<CPUSet.online.count {
      let cpu = CPU(index: index)
      sum += AddressSpace.shared.shootdownCounts(of: cpu).sent
      sum += Int(Scheduler.statistics(of: cpu).wakeInterrupts)
    }
    return sum
  }
}
