import Exploration
import Machine
import Parallel
import PerCPU

@testable import Scheduler

/// `Sources/Parallel` and what is a thread's own.
enum ParallelScenarios {
  static var all: [Scenario] {
    [loop, reduction, pool, poolUnasked, poolInPool, poolFinish, local]
  }

  private typealias Run = SchedulerScenarios.Run

  private final class Counts: @unchecked Sendable {
    // One explorer's thread plays all CPUs.
    var visits: [Int]
    init(_ count: Int) { visits = Array(repeating: 0, count: count) }
  }

  /// Long work: the caller asks for help, and each number is visited once.
  static let loop = Scenario("Parallel/for") { machine in
    let run = Run(machine, cpuCount: 2, threads: 1)
    machine.keep(run)
    let counts = Counts(5)
    run.start {
      run.spawn {
        parallelFor(10..<15) { number in
          // 1 us each.
          for _ in 0..<12 { Processor.pause() }
          counts.visits[number - 10] += 1
        }
        run.finish()
      }.detach()
    }
    machine.atEnd { machine.check(counts.visits == [1, 1, 1, 1, 1], "visits: \(counts.visits)") }
  }

  static let reduction = Scenario("Parallel/reduce") { machine in
    let run = Run(machine, cpuCount: 3, threads: 1)
    machine.keep(run)
    let counts = Counts(1)
    run.start {
      run.spawn {
        counts.visits[0] = parallelReduce(0..<8, 0) { sum, number in
          for _ in 0..<12 { Processor.pause() }
          sum += number
        } combine: {
          $0 += $1
        }
        run.finish()
      }.detach()
    }
    machine.atEnd { machine.check(counts.visits == [28], "sum: \(counts.visits)") }
  }

  /// Two threads, four tasks; one result is asked for before the end.
  static let pool = Scenario("Parallel/pool") { machine in
    let run = Run(machine, cpuCount: 2, threads: 1)
    machine.keep(run)
    let counts = Counts(4)
    run.start {
      run.spawn {
        guard let pool = try? TaskPool(workerCount: 2) else { fatalError("no thread") }
        let tasks = (0..<4).map { number in
          pool.submit {
            counts.visits[number] += 1
            return 10 * number
          }
        }
        run.check(tasks[2].value == 20, "a task has the result of another")
        pool.finish()
        for number in 0..<4 { run.check(tasks[number].value == 10 * number, "a result is lost") }
        run.finish()
      }.detach()
    }
    machine.atEnd { machine.check(counts.visits == [1, 1, 1, 1], "done: \(counts.visits)") }
  }

  /// Tasks are done although nobody asks for their results.
  static let poolUnasked = Scenario("Parallel/pool-unasked") { machine in
    let run = Run(machine, cpuCount: 2, threads: 1)
    machine.keep(run)
    let done = Done()
    run.start {
      run.spawn {
        guard let pool = try? TaskPool(workerCount: 2) else { fatalError("no thread") }
        for _ in 0..<2 {
          pool.submit { done.semaphore.signal() }
          done.semaphore.wait()
        }
        pool.finish()
        run.finish()
      }.detach()
    }
  }

  private final class Done: Sendable {
    let semaphore = Semaphore(0)
  }

  /// One thread, and a task that waits for another.
  static let poolInPool = Scenario("Parallel/pool-in-pool") { machine in
    let run = Run(machine, cpuCount: 2, threads: 1)
    machine.keep(run)
    run.start {
      run.spawn {
        guard let pool = try? TaskPool(workerCount: 1) else { fatalError("no thread") }
        let outer = pool.submit { pool.submit { 20 }.value + 1 }
        run.check(outer.value == 21, "a result is wrong")
        pool.finish()
        run.finish()
      }.detach()
    }
  }

  /// A task gives the pool another one when it may be finishing already.
  static let poolFinish = Scenario("Parallel/pool-finish") { machine in
    let run = Run(machine, cpuCount: 2, threads: 1)
    machine.keep(run)
    let counts = Counts(2)
    run.start {
      run.spawn {
        guard let pool = try? TaskPool(workerCount: 2) else { fatalError("no thread") }
        pool.submit {
          counts.visits[0] += 1
          pool.submit { counts.visits[1] += 1 }
        }
        pool.finish()
        run.check(counts.visits == [1, 1], "done: \(counts.visits)")
        run.finish()
      }.detach()
    }
  }

  private final class Object: Sendable {
    let machine: Counts
    init(_ counts: Counts) {
      machine = counts
      machine.visits[0] += 1
    }
    deinit { machine.visits[0] -= 1 }
  }

  private final class Local: Sendable {
    let first: ThreadLocal<Int>
    let second: ThreadLocal<Object>
    init(_ counts: Counts) {
      first = ThreadLocal { 5 }
      second = ThreadLocal { Object(counts) }
    }
  }

  /// Two threads with values of their own, which end with them.
  static let local = Scenario("Parallel/thread-local") { machine in
    let run = Run(machine, cpuCount: 2, threads: 1)
    machine.keep(run)
    let counts = Counts(1)
    let local = Local(counts)
    run.start {
      run.spawn {
        let threads = (0..<2).map { index in
          run.spawn {
            run.check(local.first.value == 5, "a value is not what it is at first")
            local.first.value += index
            _ = local.second.value
            Thread.yield()
            run.check(local.first.value == 5 + index, "a value is another thread's")
          }
        }
        for thread in threads { thread.join() }
        run.check(local.first.value == 5, "a value is another thread's")
        run.finish()
      }.detach()
    }
    machine.atEnd { machine.check(counts.visits == [0], "a value has outlived its thread") }
  }
}
