import Exploration
import Machine
import PerCPU

@testable import Scheduler

/// `Sources/Scheduler/PriorityInheritance.swift`: no thread of a priority between keeps an urgent one from a mutex,
/// and what an owner inherits is given back.
enum InheritanceScenarios {
  static var all: [Scenario] { [inversion, chain, remote, nested, deadline, tries] }

  private typealias Run = SchedulerScenarios.Run

  private static func set(_ cpus: Int...) -> CPUSet {
    var set = CPUSet()
    for cpu in cpus { set.insert(CPU(index: cpu)) }
    return set
  }

  private final class Shared: Sendable {
    let first = Mutex<Int>(0)
    let second = Mutex<Int>(0)
    let begun = Semaphore(0)
    let ready = Semaphore(0)
    let taken = Semaphore(0)
    /// The urgent thread's record, and whether it is through.
    let urgent = Atomic<UInt64>(0)
    let isThrough = Atomic<Int>(0)
    let results = Atomic<Int>(0)

    /// Whether the urgent thread is in the queue of a mutex.
    var urgentWaits: Bool {
      let record = UnsafeMutablePointer<ThreadRecord>(
        bitPattern: UInt(urgent.load(ordering: .relaxed)))
      guard let record else { return false }
      return record.pointee.wait.isQueued && record.pointee.waitsFor.load(ordering: .relaxed) != 0
    }

    func becomeUrgent() {
      urgent.store(UInt64(UInt(bitPattern: Scheduler.currentRecord)), ordering: .relaxed)
    }
  }

  private static func compute(_ run: Run, times: Int = 1) {
    for _ in 0..<times {
      run.machine.passTime(nanoseconds: 200_000)
      Processor.pause()
    }
  }

  /// By a thread that has no mutex, as its last thing.
  private static func finish(_ run: Run) {
    let own = Scheduler.currentRecord
    run.check(own.pointee.inherited.load(ordering: .relaxed) == 0, "a loan is not taken back")
    run.check(own.pointee.priority == own.pointee.basePriority, "a thread stays urgent")
    run.finish()
  }

  /// Computes until the urgent thread is through; how often while that waits is counted.
  private static func disturb(_ run: Run, _ shared: Shared, atMost limit: Int) {
    var turns = 0
    while shared.isThrough.load(ordering: .acquiring) == 0 {
      if shared.urgentWaits { turns += 1 }
      run.check(turns <= limit, "a thread runs \(turns) times while one waits that is more urgent")
      compute(run)
    }
    finish(run)
  }

  /// A background thread has the mutex that an urgent one wants, and a normal one computes, on one CPU.
  static let inversion = Scenario("Inheritance/inversion") { machine in
    let run = Run(machine, cpuCount: 1, threads: 3)
    machine.keep(run)
    let shared = Shared()
    run.start {
      run.spawn(priority: .background) {
        shared.first.withLock { count in
          shared.begun.signal()
          compute(run, times: 3)
          count += 1
        }
        finish(run)
      }.detach()
      run.spawn(priority: .urgent) {
        shared.begun.wait()
        shared.becomeUrgent()
        shared.taken.signal()
        shared.first.withLock { $0 += 1 }
        shared.isThrough.store(1, ordering: .releasing)
        finish(run)
      }.detach()
      run.spawn {
        shared.taken.wait()
        disturb(run, shared, atMost: 0)
      }.detach()
    }
    machine.atEnd {
      machine.check(shared.first.count == 2, "\(shared.first.count) instead of 2")
    }
  }

  /// The urgent thread waits for one that waits for the background thread.
  static let chain = Scenario("Inheritance/chain") { machine in
    let run = Run(machine, cpuCount: 1, threads: 4)
    machine.keep(run)
    let shared = Shared()
    run.start {
      run.spawn(priority: .background) {
        shared.first.withLock { count in
          shared.begun.signal()
          compute(run, times: 2)
          count += 1
        }
        finish(run)
      }.detach()
      run.spawn {
        shared.begun.wait()
        shared.second.withLock { outer in
          shared.ready.signal()
          shared.first.withLock { $0 += 1 }
          outer += 1
        }
        finish(run)
      }.detach()
      run.spawn(priority: .urgent) {
        shared.ready.wait()
        shared.becomeUrgent()
        shared.taken.signal()
        shared.second.withLock { $0 += 1 }
        shared.isThrough.store(1, ordering: .releasing)
        finish(run)
      }.detach()
      run.spawn {
        shared.taken.wait()
        disturb(run, shared, atMost: 0)
      }.detach()
    }
    machine.atEnd {
      let counts = (shared.first.count, shared.second.count)
      machine.check(counts == (2, 2), "\(counts) instead of 2, 2")
    }
  }

  /// The owner and the one that disturbs are on another CPU.
  static let remote = Scenario("Inheritance/remote") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let shared = Shared()
    run.start {
      run.spawn(on: set(1), priority: .background) {
        shared.first.withLock { count in
          shared.begun.signal()
          compute(run, times: 3)
          count += 1
        }
        finish(run)
      }.detach()
      run.spawn(on: set(0), priority: .urgent) {
        shared.begun.wait()
        shared.becomeUrgent()
        shared.taken.signal()
        shared.first.withLock { $0 += 1 }
        shared.isThrough.store(1, ordering: .releasing)
        finish(run)
      }.detach()
      run.spawn(on: set(1)) {
        shared.taken.wait()
        // An interrupt may be late, as long as it spins on. Threads starve for longer.
        disturb(run, shared, atMost: 200)
      }.detach()
    }
    machine.atEnd {
      machine.check(shared.first.count == 2, "\(shared.first.count) instead of 2")
    }
  }

  /// Threads of all priorities take two mutexes, on two CPUs, on which they move.
  static let nested = Scenario("Inheritance/nested") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let shared = Shared()
    run.start {
      let priorities: [Thread.Priority] = [.background, .normal, .urgent]
      for (index, priority) in priorities.enumerated() {
        run.spawn(priority: priority) {
          if index != 2 {
            shared.second.withLock { outer in
              if index == 0 { try? Thread.current.setAffinity(set(1)) }
              shared.first.withLock { $0 += 1 }
              outer += 1
            }
          }
          if index != 1 {
            shared.first.withLock { count in
              Thread.yield()
              count += 1
            }
          }
          if index == 2 { shared.second.withLock { $0 += 1 } }
          finish(run)
        }.detach()
      }
    }
    machine.atEnd {
      let counts = (shared.first.count, shared.second.count)
      machine.check(counts == (4, 3), "\(counts) instead of 4, 3")
    }
  }

  /// Urgent threads give up, at any time, waiting for one that waits for a background thread.
  static let deadline = Scenario("Inheritance/deadline") { machine in
    let run = Run(machine, cpuCount: 2, threads: 4)
    machine.keep(run)
    let shared = Shared()
    run.start {
      run.spawn(priority: .background) {
        shared.first.withLock { count in
          shared.begun.signal()
          for _ in 0..<3 { Thread.yield() }
          count += 1
        }
        finish(run)
      }.detach()
      run.spawn {
        shared.begun.wait()
        shared.second.withLock { outer in
          shared.taken.signal()
          shared.taken.signal()
          shared.first.withLock { $0 += 1 }
          outer += 1
        }
        finish(run)
      }.detach()
      for _ in 0..<2 {
        run.spawn(priority: .urgent) {
          shared.taken.wait()
          let deadline = MonotonicClock.nanoseconds + 300
          let got: Void? = shared.second.withLock(until: deadline) { $0 += 1 }
          if got == nil { shared.results.wrappingAdd(1, ordering: .relaxed) }
          finish(run)
        }.detach()
      }
    }
    machine.atEnd {
      let sum = shared.second.count + shared.results.load(ordering: .relaxed)
      machine.check(shared.first.count == 2 && sum == 3, "\(shared.first.count), \(sum)")
      machine.check(
        shared.second.core.queue.withState { $0.isEmpty && $0.lent == 0 }, "a thread still counts")
    }
  }

  /// One thread takes the mutex only where nobody has it, and others wait.
  static let tries = Scenario("Inheritance/if-available") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let shared = Shared()
    run.start {
      for index in 0..<3 {
        run.spawn(priority: index == 0 ? .urgent : .normal) {
          if index == 0 {
            for _ in 0..<2 {
              let got: Void? = shared.first.withLockIfAvailable { count in
                let before = count
                run.machine.yieldPoint()
                count = before + 1
              }
              if got == nil { shared.results.wrappingAdd(1, ordering: .relaxed) }
            }
          } else {
            shared.first.withLock { count in
              let before = count
              Thread.yield()
              count = before + 1
            }
          }
          finish(run)
        }.detach()
      }
    }
    machine.atEnd {
      let sum = shared.first.count + shared.results.load(ordering: .relaxed)
      machine.check(sum == 4, "\(sum) instead of 4")
      let got: Void? = shared.first.withLockIfAvailable { _ in }
      machine.check(got != nil, "the mutex is not free")
    }
  }
}

// For the end of a run, when there are no threads.
extension Mutex where State == Int {
  fileprivate var count: Int { state.address.pointee }
}
