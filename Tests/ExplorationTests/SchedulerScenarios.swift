import Exploration
import Interrupts
import Machine
import PerCPU

@testable import Scheduler

/// `Sources/Scheduler`: each thread runs to its end, on CPUs that it may use, and no CPU idles while
/// a thread waits that may run there.
enum SchedulerScenarios {
  static var all: [Scenario] {
    [
      join, yield, wakeOrder, affinity, movedWhileItRuns, detach, noCPUIdles, semaphore, slices,
      urgency, parked,
      starvation,
    ]
  }

  /// Threads of one run.
  final class Run: @unchecked Sendable {
    // One explorer's thread plays all CPUs.
    let machine: Simulation
    let cpuCount: Int
    let unfinished = Atomic<Int>(0)
    var log: [Int] = []

    init(_ machine: Simulation, cpuCount: Int, threads: Int) {
      self.machine = machine
      self.cpuCount = cpuCount
      unfinished.store(threads, ordering: .relaxed)
      machine.startScheduler(cpuCount: cpuCount)
    }

    /// By each thread as the last thing; the last one ends the CPUs' loops.
    func finish() {
      if unfinished.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
        for cpu in CPUSet.online { Processor.send(.wake, to: cpu.index) }
      }
    }

    /// A CPU's life: CPU 0 starts with `body`.
    func start(_ body: @escaping @Sendable () -> Void) {
      let cpuCount = cpuCount
      machine.atStandstill("no CPU idles while a thread waits that may run there") {
        !SchedulerScenarios.someCPUIdlesInVain(cpuCount)
      }
      for index in 0..<cpuCount {
        machine.cpu { [unowned self] in
          if index == 0 { body() }
          Scheduler.runThreads { self.unfinished.load(ordering: .acquiring) == 0 }
        }
      }
    }

    func spawn(
      on affinity: CPUSet? = nil, priority: Thread.Priority = .normal,
      _ body: @escaping @Sendable () -> Void
    ) -> Thread {
      do {
        return try Thread.spawn(
          priority: priority, affinity: affinity, stackSize: 128 << 10, body)
      } catch { fatalError("\(error)") }
    }

    func check(_ condition: Bool, _ message: @autoclosure () -> String) {
      machine.check(condition, message())
    }

    func checkPlace() {
      check(Thread.current.affinity.contains(.current), "a thread runs where it may not")
    }
  }

  /// Whether a CPU has no thread while one waits that may run there.
  private static func someCPUIdlesInVain(_ cpuCount: Int) -> Bool {
    let queues = (0..<cpuCount).map { Scheduler.queues.pointer(for: CPU(index: $0)) }
    return Processor.withInterruptsDisabledProof { proof in
      for idle in queues where idle.pointee.isIdle {
        for queue in queues {
          // Nobody has the lock, or all would be stuck.
          var isFound = false
          queue.pointee.waiting.holderState(proof).pointee.visit { thread in
            isFound = thread.pointee.affinity.load(ordering: .relaxed) & idle.pointee.bit != 0
            return !isFound
          }
          if isFound { return true }
        }
      }
      return false
    }
  }

  static func set(_ cpus: Int...) -> CPUSet {
    var set = CPUSet()
    for cpu in cpus { set.insert(CPU(index: cpu)) }
    return set
  }

  /// A thread starts two and joins them.
  static let join = Scenario("Scheduler/join") { machine in
    let run = Run(machine, cpuCount: 2, threads: 1)
    machine.keep(run)
    run.start {
      run.spawn {
        let first = run.spawn { run.log.append(1) }
        let second = run.spawn { run.log.append(2) }
        first.join()
        run.check(run.log.contains(1), "a thread was joined before its end")
        second.join()
        run.check(run.log.count == 2, "a thread was joined before its end")
        run.finish()
      }.detach()
    }
    machine.atEnd { machine.check(run.log.sorted() == [1, 2], "threads ran: \(run.log)") }
  }

  /// Three threads yield on two CPUs.
  static let yield = Scenario("Scheduler/yield") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    run.start {
      for index in 0..<3 {
        run.spawn {
          Thread.yield()
          run.log.append(index)
          run.finish()
        }.detach()
      }
    }
    machine.atEnd { machine.check(run.log.sorted() == [0, 1, 2], "threads ran: \(run.log)") }
  }

  /// One thread parks, another wakes it, at any time of either.
  static let wakeOrder = Scenario("Scheduler/wake") { machine in
    let run = Run(machine, cpuCount: 3, threads: 2)
    machine.keep(run)
    let box = Sleeper()
    run.start {
      run.spawn {
        for turn in 0..<2 {
          let own = Scheduler.currentRecord
          Parking.prepare(own)
          box.record.store(UInt64(UInt(bitPattern: own)), ordering: .releasing)
          Parking.park()
          run.log.append(turn)
        }
        run.finish()
      }.detach()
      run.spawn {
        for _ in 0..<2 {
          var found: UInt64 = 0
          while found == 0 {
            found = box.record.exchange(0, ordering: .acquiring)
            if found == 0 {
              Thread.yield()
              Processor.pause()
            }
          }
          if let record = UnsafeMutablePointer<ThreadRecord>(bitPattern: UInt(found)) {
            Processor.withInterruptsDisabled { Parking.wake(record) }
          }
        }
        run.finish()
      }.detach()
    }
    machine.atEnd { machine.check(run.log == [0, 1], "wake-ups: \(run.log)") }
  }

  private final class Sleeper: Sendable {
    let record = Atomic<UInt64>(0)
  }

  /// A thread's affinity changes while it waits, runs, or is being moved.
  static let affinity = Scenario("Scheduler/affinity") { machine in
    let run = Run(machine, cpuCount: 3, threads: 2)
    machine.keep(run)
    run.start {
      let moved = run.spawn {
        Thread.yield()
        run.log.append(0)
      }
      run.spawn {
        try? moved.setAffinity(set(1, 2))
        try? moved.setAffinity(set(2))
        moved.join()
        run.finish()
      }.detach()
      run.spawn {
        try? Thread.current.setAffinity(set(0))
        run.checkPlace()
        run.check(CPU.current.index == 0, "a thread runs where it may not")
        try? Thread.current.setAffinity(set(1))
        run.check(CPU.current.index == 1, "a thread runs where it may not")
        run.log.append(1)
        run.finish()
      }.detach()
    }
    machine.atEnd { machine.check(run.log.sorted() == [0, 1], "threads ran: \(run.log)") }
  }

  /// A thread that never gives way is told that it may not run where it does, and leaves.
  static let movedWhileItRuns = Scenario("Scheduler/moved-while-it-runs") { machine in
    let run = Run(machine, cpuCount: 2, threads: 2)
    machine.keep(run)
    let arrivals = Arrivals()
    run.start {
      let moved = run.spawn(on: set(0)) {
        arrivals.count.store(1, ordering: .releasing)
        while CPU.current.index != 1 { Processor.pause() }
        run.finish()
      }
      run.spawn(on: set(1)) {
        while arrivals.count.load(ordering: .acquiring) < 1 { Processor.pause() }
        try? moved.setAffinity(set(1))
        moved.join()
        run.finish()
      }.detach()
    }
  }

  /// Detached threads end, and their memory is used again.
  static let detach = Scenario("Scheduler/detach") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    run.start {
      for index in 0..<2 {
        run.spawn {
          run.log.append(index)
          if index == 0 {
            run.spawn {
              run.log.append(2)
              run.finish()
            }.detach()
          }
          run.finish()
        }.detach()
      }
    }
    machine.atEnd { machine.check(run.log.sorted() == [0, 1, 2], "threads ran: \(run.log)") }
  }

  /// As many long threads as CPUs, which end when all of them run, and one on CPU 0 only that yields to
  /// them and ends: one that waits while a CPU idles shows, for nobody gets on.
  static let noCPUIdles = Scenario("Scheduler/no-cpu-idles") { machine in
    let run = Run(machine, cpuCount: 3, threads: 4)
    machine.keep(run)
    let arrivals = Arrivals()
    run.start {
      run.spawn(on: set(0)) {
        for _ in 0..<2 { Thread.yield() }
        run.finish()
      }.detach()
      for _ in 0..<3 {
        run.spawn {
          arrivals.count.wrappingAdd(1, ordering: .acquiringAndReleasing)
          while arrivals.count.load(ordering: .acquiring) < 3 { Processor.pause() }
          run.finish()
        }.detach()
      }
    }
  }

  /// Three threads take the one permit in turn, and give it back.
  static let semaphore = Scenario("Scheduler/semaphore") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let permits = Permits()
    run.start {
      for index in 0..<3 {
        run.spawn {
          permits.semaphore.wait()
          let holders = permits.holders.wrappingAdd(1, ordering: .relaxed).newValue
          run.check(holders == 1, "\(holders) threads have the one permit")
          permits.holders.wrappingSubtract(1, ordering: .relaxed)
          run.log.append(index)
          permits.semaphore.signal()
          run.finish()
        }.detach()
      }
    }
    machine.atEnd {
      machine.check(run.log.sorted() == [0, 1, 2], "threads that had the permit: \(run.log)")
      machine.check(permits.semaphore.tryWait(), "the permit is lost")
      machine.check(!permits.semaphore.tryWait(), "there is a permit too many")
    }
  }

  /// A scenario in which a thread spins for as long as a slice lasts.
  private static func patient(
    _ name: String, _ prepare: @escaping @Sendable (Simulation) -> Void
  ) -> Scenario {
    var scenario = Scenario(name, prepare)
    scenario.patience = 30_000
    scenario.stepLimit = 100_000
    return scenario
  }

  /// Two threads that never give way, until both have run, on one CPU.
  static let slices = patient("Scheduler/slices") { machine in
    let run = Run(machine, cpuCount: 1, threads: 2)
    machine.keep(run)
    let arrivals = Arrivals()
    run.start {
      for _ in 0..<2 {
        run.spawn {
          arrivals.count.wrappingAdd(1, ordering: .acquiringAndReleasing)
          while arrivals.count.load(ordering: .acquiring) < 2 { Processor.pause() }
          run.finish()
        }.detach()
      }
    }
  }

  /// A more urgent thread is woken, from another CPU, where one computes until it has run.
  static let urgency = Scenario("Scheduler/urgency") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let arrivals = Arrivals()
    let permits = Permits()
    run.start {
      run.spawn(on: set(1), priority: .urgent) {
        permits.semaphore.wait()
        permits.semaphore.wait()
        arrivals.count.wrappingAdd(1, ordering: .acquiringAndReleasing)
        run.finish()
      }.detach()
      run.spawn(on: set(1)) {
        while arrivals.count.load(ordering: .acquiring) < 1 { Processor.pause() }
        run.finish()
      }.detach()
      run.spawn(on: set(0)) {
        permits.semaphore.signal()
        run.finish()
      }.detach()
    }
  }

  /// Three threads park and wake each other, preempted anywhere.
  static let parked = Scenario("Scheduler/preempted-anywhere") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let permits = Permits()
    machine.interrupt(.wake, on: 0, times: 3)
    machine.interrupt(.wake, on: 1, times: 3)
    machine.onInterruptExit {
      // As if a slice were over each time.
      Processor.preemptionRequest = Preemption.Reason.slice.rawValue
      if preemptionIsDue() { preempt() }
    }
    run.start {
      for index in 0..<3 {
        run.spawn {
          permits.semaphore.wait()
          let holders = permits.holders.wrappingAdd(1, ordering: .relaxed).newValue
          run.check(holders == 1, "\(holders) threads have the one permit")
          permits.holders.wrappingSubtract(1, ordering: .relaxed)
          run.log.append(index)
          permits.semaphore.signal()
          run.finish()
        }.detach()
      }
    }
    machine.atEnd { machine.check(run.log.sorted() == [0, 1, 2], "threads ran: \(run.log)") }
  }

  /// An urgent thread computes until two less urgent ones of different priorities have had their turns, none of
  /// which gives way before the other one has had its own.
  static let starvation = Scenario("Scheduler/starvation") { machine in
    let run = Run(machine, cpuCount: 1, threads: 3)
    machine.keep(run)
    let arrivals = Arrivals()
    run.start {
      let priorities: [Thread.Priority] = [.urgent, .normal, .background]
      for priority in priorities {
        run.spawn(priority: priority) {
          if priority != .urgent {
            arrivals.count.wrappingAdd(1, ordering: .acquiringAndReleasing)
          }
          while arrivals.count.load(ordering: .acquiring) < 2 {
            run.machine.passTime(nanoseconds: 5_000_000)
            Processor.pause()
          }
          run.finish()
        }.detach()
      }
    }
  }

  private final class Permits: Sendable {
    let semaphore = Semaphore(1)
    let holders = Atomic<Int>(0)
  }

  private final class Arrivals: Sendable {
    let count = Atomic<Int>(0)
  }
}

extension Simulation {
  /// Makes the machine's scheduler anew, and all its CPUs online.
  func startScheduler(cpuCount: Int) {
    startSharedMachine(cpuCount: cpuCount)
    let storage = Storage(byteCount: Scheduler.byteCount(for: cpuCount))
    keep(storage)
    Scheduler.initialize(in: storage.start, count: cpuCount)
    onInterruptExit { if Processor.preemptionRequest != 0 && preemptionIsDue() { preempt() } }
  }
}
