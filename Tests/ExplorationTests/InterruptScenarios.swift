import Exploration
import Machine
import PerCPU

@testable import Interrupts
@testable import Scheduler

/// `Interrupts/InterruptRegistration.swift` and `Scheduler/WorkQueue.swift`: a handler runs on one CPU at a time and
/// never after its release, whatever a device sends meanwhile; work that is scheduled runs, and not after it was
/// cancelled.
enum InterruptScenarios {
  static var all: [Scenario] { [release, move, work, cancelWork] }

  /// What a handler does to its driver, whose memory goes after the release.
  private final class Driver: @unchecked Sendable {
    // One explorer's thread plays all CPUs.
    let machine: Simulation
    let cause = Atomic<Int>(0)
    let inside = Atomic<Int>(0)
    var runs: [Int] = []
    var isReleased = false
    /// Where the device sends to.
    let target = Atomic<Int>(-1)

    init(_ machine: Simulation) { self.machine = machine }

    func handle() {
      machine.check(!isReleased, "a handler runs after its release")
      machine.check(
        inside.wrappingAdd(1, ordering: .relaxed).newValue == 1, "a handler runs on two CPUs")
      cause.store(0, ordering: .relaxed)
      runs.append(Processor.index)
      inside.wrappingSubtract(1, ordering: .relaxed)
    }

    func tell(_ message: InterruptMessage) {
      target.store(Int(message.address >> 12 & 15) << 8 | Int(message.data), ordering: .relaxed)
    }

    /// The device: it wants something, and sends the message that it knows.
    func send() {
      cause.store(1, ordering: .relaxed)
      let target = target.load(ordering: .relaxed)
      if target < 0 { return }
      Processor.send(deviceVector: target & 255, to: target >> 8)
    }
  }

  private static func start(_ machine: Simulation) -> Driver {
    machine.startSharedMachine(cpuCount: 3)
    // Made once in the process: tables have no state of a run but what registrations leave empty.
    InterruptRegistry.prepare()
    let driver = Driver(machine)
    machine.keep(driver)
    return driver
  }

  /// A device interrupts while its handler is released, and so does one whose handler is registered anew.
  static let release = Scenario("Interrupt/release") { machine in
    let driver = start(machine)
    machine.cpu {}
    machine.cpu {
      for _ in 0..<2 {
        driver.isReleased = false
        guard
          let interrupt = try? MessageInterrupt(
            on: CPU(index: 0), name: "test",
            { _ in
              driver.handle()
              return .handled
            })
        else { return machine.check(false, "not registered") }
        driver.tell(interrupt.message)
        driver.target.store(-1, ordering: .relaxed)
        interrupt.release()
        driver.isReleased = true
      }
    }
    machine.cpu { for _ in 0..<2 { driver.send() } }
  }

  /// A device interrupts while its handler is moved, and before and after that.
  static let move = Scenario("Interrupt/move") { machine in
    let driver = start(machine)
    let box = Box()
    machine.keep(box)
    machine.cpu {}
    machine.cpu {
      guard
        var interrupt = try? MessageInterrupt(
          on: CPU(index: 0), name: "test",
          { _ in
            driver.handle()
            return .handled
          })
      else { return machine.check(false, "not registered") }
      driver.tell(interrupt.message)
      box.value.store(1, ordering: .relaxed)
      try? interrupt.move(to: CPU(index: 2)) { driver.tell($0) }
      // A cause that nobody serves is waited for in vain, which the explorer reports.
      while box.value.load(ordering: .relaxed) != 2 || driver.cause.load(ordering: .relaxed) != 0 {
        Processor.pause()
      }
      driver.target.store(-1, ordering: .relaxed)
      interrupt.release()
      driver.isReleased = true
    }
    machine.cpu {
      while box.value.load(ordering: .relaxed) == 0 { Processor.pause() }
      for _ in 0..<2 { driver.send() }
      box.value.store(2, ordering: .relaxed)
    }
  }

  private final class Box: @unchecked Sendable {
    let value = Atomic<Int>(0)
  }

  /// Work of one run, with a thread on each CPU that does it.
  private final class Job: @unchecked Sendable {
    let run: SchedulerScenarios.Run
    let wanted = Atomic<Int>(0)
    let stop = Atomic<Int>(0)
    let schedulers = Atomic<Int>(0)
    var inside = 0
    var isCancelled = false

    init(_ run: SchedulerScenarios.Run) { self.run = run }

    func body() {
      inside += 1
      run.check(inside == 1, "work runs twice at a time")
      run.check(!isCancelled, "work runs after it was cancelled")
      wanted.store(0, ordering: .relaxed)
      Thread.yield()
      inside -= 1
    }

    func startWorkers() {
      WorkQueues.makeQueues()
      for index in 0..<run.cpuCount {
        run.spawn(on: SchedulerScenarios.set(index), priority: .urgent) { [self] in
          while stop.load(ordering: .relaxed) == 0 { WorkQueues.doOne(CPU(index: index)) }
          run.finish()
        }.detach()
      }
    }

    func stopWorkers() {
      stop.store(1, ordering: .relaxed)
      for index in 0..<run.cpuCount {
        WorkQueues.queue(of: CPU(index: index)).pointee.permits.signal()
      }
    }
  }

  private static func workScenario(_ name: String, cancels: Bool) -> Scenario {
    Scenario(name) { machine in
      let run = SchedulerScenarios.Run(machine, cpuCount: 2, threads: 5)
      machine.keep(run)
      let job = Job(run)
      machine.keep(job)
      run.start {
        job.startWorkers()
        let record = UnsafeMutablePointer<WorkRecord>.allocate(capacity: 1)
        record.initialize(to: WorkRecord { job.body() })
        let address = UInt(bitPattern: record)
        for index in 0..<2 {
          run.spawn(on: SchedulerScenarios.set(index)) {
            if let record = UnsafeMutablePointer<WorkRecord>(bitPattern: address) {
              job.wanted.store(1, ordering: .relaxed)
              _ = Processor.withInterruptsDisabledProof { WorkQueues.schedule(record, $0) }
            }
            job.schedulers.wrappingAdd(1, ordering: .releasing)
            run.finish()
          }.detach()
        }
        run.spawn {
          guard let record = UnsafeMutablePointer<WorkRecord>(bitPattern: address) else { return }
          if cancels {
            WorkQueues.cancel(record)
            while job.schedulers.load(ordering: .acquiring) < 2 {
              Thread.yield()
              Processor.pause()
            }
            WorkQueues.cancel(record)
            job.isCancelled = true
            run.check(record.pointee.state.load(ordering: .relaxed) == 0, "work is left")
          } else {
            while job.schedulers.load(ordering: .acquiring) < 2
              || record.pointee.state.load(ordering: .acquiring) != 0
            {
              Thread.yield()
              Processor.pause()
            }
            run.check(
              job.wanted.load(ordering: .relaxed) == 0, "work was scheduled and did not run")
          }
          record.deinitialize(count: 1)
          record.deallocate()
          job.stopWorkers()
          run.finish()
        }.detach()
      }
    }
  }

  /// Two CPUs schedule the same work.
  static let work = workScenario("DeferredWork/schedule", cancels: false)
  /// A third thread cancels it, at any time and at the end.
  static let cancelWork = workScenario("DeferredWork/cancel", cancels: true)
}
