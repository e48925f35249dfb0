import Exploration
import Machine
import PerCPU

@testable import Scheduler

/// `Sources/Scheduler`: timers go off once, not early, and not after they were cancelled; a wait that ends by
/// its deadline takes nothing from the others.
enum TimerScenarios {
  static var all: [Scenario] { [sleep, cancel, periodic, timeout, wakeAll] }

  private typealias Run = SchedulerScenarios.Run

  fileprivate final class Counts: @unchecked Sendable {
    let fired = Atomic<Int>(0)
    let isOver = Atomic<Int>(0)
    let semaphore = Semaphore(0)
    let queue = WaitQueue<Bool>(false)
    var timer = TimerNode()
  }

  /// Two threads sleep on two CPUs, where a third one computes.
  static let sleep = Scenario("Timer/sleep") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    run.start {
      for index in 0..<2 {
        run.spawn {
          let deadline = MonotonicClock.nanoseconds + 500 * UInt64(index + 1)
          Thread.sleep(until: deadline)
          run.check(MonotonicClock.nanoseconds >= deadline, "a thread wakes early")
          run.log.append(index)
          run.finish()
        }.detach()
      }
      run.spawn {
        Thread.yield()
        run.finish()
      }.detach()
    }
    machine.atEnd { machine.check(run.log.sorted() == [0, 1], "threads that woke: \(run.log)") }
  }

  /// A timer is cancelled, on another CPU than it was set on, at any time before or after it goes off; its
  /// memory is used anew at once.
  static let cancel = Scenario("Timer/cancel-against-fire") { machine in
    let run = Run(machine, cpuCount: 2, threads: 2)
    machine.keep(run)
    let counts = Counts()
    machine.keep(counts)
    run.start {
      run.spawn(on: SchedulerScenarios.set(0)) {
        withUnsafeMutablePointer(to: &counts.timer) { timer in
          setTimer(
            { Unmanaged<Counts>.fromOpaque($0).takeUnretainedValue().count() },
            Unmanaged.passUnretained(counts).toOpaque(), timer,
            at: MonotonicClock.nanoseconds + 300, every: 0)
          try? Thread.current.setAffinity(SchedulerScenarios.set(1))
          let wasSet = Timers.cancel(timer)
          counts.isOver.store(1, ordering: .relaxed)
          let fired = counts.fired.load(ordering: .relaxed)
          run.check(fired == (wasSet ? 0 : 1), "cancelled: \(wasSet), gone off: \(fired)")
          timer.pointee.function = nil
          timer.pointee.context = nil
        }
        run.finish()
      }.detach()
      run.spawn(on: SchedulerScenarios.set(0)) {
        Thread.sleep(until: MonotonicClock.nanoseconds + 400)
        run.finish()
      }.detach()
    }
  }

  /// A timer goes off again and again, until it is cancelled.
  static let periodic = Scenario("Timer/periodic") { machine in
    let run = Run(machine, cpuCount: 2, threads: 1)
    machine.keep(run)
    let counts = Counts()
    machine.keep(counts)
    run.start {
      run.spawn {
        withUnsafeMutablePointer(to: &counts.timer) { timer in
          setTimer(
            {
              let counts = Unmanaged<Counts>.fromOpaque($0).takeUnretainedValue()
              counts.count()
              counts.semaphore.signal()
            }, Unmanaged.passUnretained(counts).toOpaque(), timer,
            at: MonotonicClock.nanoseconds + 200, every: 1_000_000)
          counts.semaphore.wait()
          counts.semaphore.wait()
          run.check(Timers.cancel(timer), "a periodic timer was not set any more")
          counts.isOver.store(1, ordering: .relaxed)
        }
        run.finish()
      }.detach()
    }
  }

  /// Two threads want the one permit that comes, one of them not for long, on three CPUs.
  static let timeout = Scenario("Timer/timeout-against-wake") { machine in
    let run = Run(machine, cpuCount: 3, threads: 2)
    machine.keep(run)
    let counts = Counts()
    run.start {
      run.spawn {
        if counts.semaphore.wait(until: MonotonicClock.nanoseconds + 300) {
          run.log.append(0)
          counts.semaphore.signal()
        }
        run.finish()
      }.detach()
      run.spawn {
        counts.semaphore.signal()
        counts.semaphore.wait()
        run.log.append(1)
        run.finish()
      }.detach()
    }
    machine.atEnd {
      machine.check(run.log.contains(1), "a permit is lost")
      machine.check(!counts.semaphore.tryWait(), "there is a permit too many")
    }
  }

  /// Two threads wait for a word, one of them for a time; a third one says it to all.
  static let wakeAll = Scenario("Timer/wake-all") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let counts = Counts()
    run.start {
      run.spawn {
        counts.queue.wait(unless: { $0 })
        run.finish()
      }.detach()
      run.spawn {
        let deadline = MonotonicClock.nanoseconds + 300
        let isSaid = counts.queue.wait(until: deadline, unless: { $0 })
        run.check(
          isSaid || MonotonicClock.nanoseconds >= deadline, "a wait ends early, without a word")
        run.finish()
      }.detach()
      run.spawn {
        counts.queue.wake { isSaid, waiter in
          isSaid = true
          return waiter != nil
        }
        run.finish()
      }.detach()
    }
  }
}

extension TimerScenarios.Counts {
  fileprivate func count() {
    fired.wrappingAdd(1, ordering: .relaxed)
    precondition(isOver.load(ordering: .relaxed) == 0, "a timer goes off that was cancelled")
  }
}
