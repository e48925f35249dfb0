import Exploration
import Machine
import PerCPU

@testable import Scheduler

/// `Sources/Scheduler/Blocking`: what threads wait for, on CPUs that they change meanwhile.
enum BlockingScenarios {
  static var all: [Scenario] {
    [
      mutex, mutexHandOver, mutexTimeout, readersAndWriters, writerTimeout, condition, herd,
      producersAndConsumers, closing, barrier, once, philosophers, semaphoreTimeout,
    ]
  }

  private typealias Run = SchedulerScenarios.Run

  private static func set(_ cpus: Int...) -> CPUSet {
    var set = CPUSet()
    for cpu in cpus { set.insert(CPU(index: cpu)) }
    return set
  }

  /// What the threads of a scenario meet at.
  private final class Shared: Sendable {
    let mutex = Mutex<Int>(0)
    let changed = Condition()
    let lock = RWLock<Int>(0)
    let readers = Atomic<Int>(0)
    let writers = Atomic<Int>(0)
    let results = Atomic<Int>(0)
    let more = Atomic<Int>(0)
    let once = Once()
    let semaphore = Semaphore(0)
    let begun = Semaphore(0)
  }

  /// A section in which only one thread may be.
  private static func visit(_ run: Run, _ count: inout Int) {
    let before = count
    run.machine.yieldPoint()
    count = before + 1
    run.check(count == before + 1, "two threads are inside")
  }

  /// Three threads visit, on CPUs that change.
  static let mutex = Scenario("Blocking/mutex") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let shared = Shared()
    run.start {
      for index in 0..<3 {
        run.spawn {
          if index == 1 { try? Thread.current.setAffinity(set(1)) }
          shared.mutex.withLock { visit(run, &$0) }
          run.finish()
        }.detach()
      }
    }
    machine.atEnd {
      machine.check(shared.mutex.core.word.load(ordering: .relaxed) == 0, "the mutex is not free")
    }
    expect(run, 3, of: { shared.mutex.count })
  }

  /// One thread comes back again and again, the owner gives way with the mutex in its hands, and the
  /// others get it all the same.
  static let mutexHandOver = Scenario("Blocking/mutex-hand-over") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let shared = Shared()
    run.start {
      for index in 0..<3 {
        run.spawn {
          for _ in 0..<(index == 0 ? 3 : 1) {
            shared.mutex.withGuard { guarded in
              let before = guarded.state
              Thread.yield()
              run.check(guarded.state == before, "two threads are inside")
              guarded.state = before + 1
            }
          }
          run.finish()
        }.detach()
      }
    }
    expect(run, 5, of: { shared.mutex.count })
  }

  /// A thread gives up at any time, or not.
  static let mutexTimeout = Scenario("Blocking/mutex-timeout") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let shared = Shared()
    run.start {
      for index in 0..<3 {
        run.spawn {
          if index == 0 {
            let deadline = MonotonicClock.nanoseconds + 300
            let got: Void? = shared.mutex.withLock(until: deadline) { visit(run, &$0) }
            if got == nil {
              run.check(MonotonicClock.nanoseconds >= deadline, "the time was not over")
              shared.results.wrappingAdd(1, ordering: .relaxed)
            }
          } else {
            shared.mutex.withGuard { guarded in
              Thread.yield()
              guarded.state += 1
            }
          }
          run.finish()
        }.detach()
      }
    }
    machine.atEnd {
      machine.check(
        shared.mutex.core.word.load(ordering: .relaxed) & ~1 == 0, "the mutex is not free")
    }
    expect(run, 3, of: { shared.mutex.count + shared.results.load(ordering: .relaxed) })
  }

  /// Two readers and two writers: readers together, writers alone.
  static let readersAndWriters = Scenario("Blocking/readers-and-writers") { machine in
    let run = Run(machine, cpuCount: 2, threads: 4)
    machine.keep(run)
    let shared = Shared()
    run.start {
      for index in 0..<4 {
        run.spawn {
          if index == 3 { try? Thread.current.setAffinity(set(1)) }
          if index % 2 == 0 {
            shared.lock.withReadLock { _ in
              shared.readers.wrappingAdd(1, ordering: .relaxed)
              run.check(shared.writers.load(ordering: .relaxed) == 0, "a writer is inside")
              shared.readers.wrappingSubtract(1, ordering: .relaxed)
            }
          } else {
            shared.lock.withWriteLock { count in
              shared.writers.wrappingAdd(1, ordering: .relaxed)
              run.check(shared.readers.load(ordering: .relaxed) == 0, "a reader is inside")
              visit(run, &count)
              shared.writers.wrappingSubtract(1, ordering: .relaxed)
            }
          }
          run.finish()
        }.detach()
      }
    }
    machine.atEnd {
      machine.check(shared.lock.core.word.load(ordering: .relaxed) == 0, "the lock is not free")
    }
    expect(run, 2, of: { shared.lock.count })
  }

  /// A writer before which others queue gives up, and readers come through at once.
  static let writerTimeout = Scenario("Blocking/writer-timeout") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let shared = Shared()
    run.start {
      // Reads until the other reader is in: only a writer that waits may keep it out.
      run.spawn {
        shared.lock.withReadLock { _ in
          shared.begun.signal()
          shared.begun.signal()
          shared.semaphore.wait()
        }
        run.finish()
      }.detach()
      run.spawn {
        shared.begun.wait()
        let deadline = MonotonicClock.nanoseconds + 300
        let wrote: Void? = shared.lock.withWriteLock(until: deadline) { $0 += 1 }
        if wrote == nil { shared.more.store(1, ordering: .relaxed) }
        run.finish()
      }.detach()
      run.spawn {
        shared.begun.wait()
        shared.lock.withReadLock { _ in shared.semaphore.signal() }
        run.finish()
      }.detach()
    }
    expect(run, 1, of: { shared.lock.count + shared.more.load(ordering: .relaxed) })
  }

  /// One thread waits for what another changes.
  static let condition = Scenario("Blocking/condition") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let shared = Shared()
    run.start {
      for _ in 0..<2 {
        run.spawn {
          shared.mutex.withGuard { guarded in
            while guarded.state == 0 { shared.changed.wait(guarded) }
            guarded.state -= 1
          }
          shared.results.wrappingAdd(1, ordering: .relaxed)
          run.finish()
        }.detach()
      }
      run.spawn {
        for _ in 0..<2 {
          shared.mutex.withLock { $0 += 1 }
          shared.changed.signal()
        }
        run.finish()
      }.detach()
    }
    expect(run, 2, of: { shared.results.load(ordering: .relaxed) })
  }

  /// All threads wait for one change and go on at once.
  static let herd = Scenario("Blocking/thundering-herd") { machine in
    let run = Run(machine, cpuCount: 3, threads: 5)
    machine.keep(run)
    let shared = Shared()
    run.start {
      for index in 0..<4 {
        run.spawn {
          if index == 2 { try? Thread.current.setAffinity(set(0, 2)) }
          shared.mutex.withGuard { guarded in
            while guarded.state == 0 { shared.changed.wait(guarded) }
            guarded.state += 1
          }
          run.finish()
        }.detach()
      }
      run.spawn {
        shared.mutex.withLock { $0 = 1 }
        shared.changed.broadcast()
        run.finish()
      }.detach()
    }
    expect(run, 5, of: { shared.mutex.count })
  }

  /// Two send two numbers each, two receive: each number once, those of one sender in their order.
  static let producersAndConsumers = Scenario("Blocking/producers-and-consumers") { machine in
    let run = Run(machine, cpuCount: 2, threads: 4)
    machine.keep(run)
    let channel = Channel<Int>(capacity: 1)
    let received = Log()
    run.start {
      for sender in 0..<2 {
        run.spawn {
          for number in 0..<2 {
            do { try channel.send(10 * sender + number) } catch { run.check(false, "closed") }
          }
          if sender == 1 { try? Thread.current.setAffinity(set(0)) }
          run.finish()
        }.detach()
      }
      for _ in 0..<2 {
        run.spawn {
          for _ in 0..<2 { received.numbers.append(channel.receive() ?? -1) }
          run.finish()
        }.detach()
      }
    }
    machine.atEnd {
      machine.check(
        received.numbers.sorted() == [0, 1, 10, 11], "received \(received.numbers)")
    }
  }

  // One explorer's thread plays all CPUs.
  private final class Log: @unchecked Sendable {
    var numbers: [Int] = []
  }

  /// A channel is closed while one sends and another receives: what was sent is received.
  static let closing = Scenario("Blocking/channel-closing") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let channel = Channel<Int>(capacity: 1)
    let shared = Shared()
    run.start {
      run.spawn {
        var sent = 0
        while sent < 3, (try? channel.send(sent)) != nil { sent += 1 }
        shared.more.store(sent, ordering: .relaxed)
        run.finish()
      }.detach()
      run.spawn {
        var next = 0
        while let number = channel.receive() {
          run.check(number == next, "received \(number) instead of \(next)")
          next += 1
        }
        shared.results.store(next, ordering: .relaxed)
        run.finish()
      }.detach()
      run.spawn {
        channel.close()
        run.finish()
      }.detach()
    }
    machine.atEnd {
      let sent = shared.more.load(ordering: .relaxed)
      let received = shared.results.load(ordering: .relaxed)
      machine.check(sent == received, "sent \(sent), received \(received)")
    }
  }

  /// Three threads meet twice; one of them is told that it was the last, each time.
  static let barrier = Scenario("Blocking/barrier") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let meeting = Meeting()
    let shared = Shared()
    run.start {
      for index in 0..<3 {
        run.spawn {
          for round in 1...2 {
            shared.results.wrappingAdd(1, ordering: .relaxed)
            if meeting.barrier.wait() { shared.more.wrappingAdd(1, ordering: .relaxed) }
            let arrivals = shared.results.load(ordering: .relaxed)
            run.check(arrivals >= 3 * round, "thread \(index) did not wait for all")
          }
          run.finish()
        }.detach()
      }
    }
    expect(run, 2, of: { shared.more.load(ordering: .relaxed) })
  }

  private final class Meeting: Sendable {
    let barrier = Barrier(count: 3)
  }

  /// Three threads do what is done once; the first one fails.
  static let once = Scenario("Blocking/once") { machine in
    enum Failure: Error { case first }
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let shared = Shared()
    run.start {
      for _ in 0..<3 {
        run.spawn {
          do throws(Failure) {
            try shared.once.run { () throws(Failure) in
              if shared.more.wrappingAdd(1, ordering: .relaxed).oldValue == 0 { throw .first }
              Thread.yield()
              shared.results.wrappingAdd(1, ordering: .relaxed)
            }
            run.check(shared.results.load(ordering: .relaxed) == 1, "it was not done once")
          } catch {}
          run.finish()
        }.detach()
      }
    }
    expect(run, 1, of: { shared.results.load(ordering: .relaxed) })
  }

  /// Three philosophers eat with two forks each, of which they take the lower one first.
  static let philosophers = Scenario("Blocking/philosophers") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let table = Table()
    run.start {
      for seat in 0..<3 {
        run.spawn {
          let first = Swift.min(seat, (seat + 1) % 3)
          let second = Swift.max(seat, (seat + 1) % 3)
          table.withFork(first) { one in
            if seat == 1 { try? Thread.current.setAffinity(set(1)) }
            table.withFork(second) { other in
              visit(run, &one)
              visit(run, &other)
            }
          }
          run.finish()
        }.detach()
      }
    }
    expect(run, 6, of: { table.forks.zero.count + table.forks.one.count + table.forks.two.count })
  }

  private final class Table: Sendable {
    let forks = Forks()

    struct Forks: ~Copyable, Sendable {
      let zero = Mutex<Int>(0)
      let one = Mutex<Int>(0)
      let two = Mutex<Int>(0)
    }

    func withFork(_ index: Int, _ body: (inout Int) -> Void) {
      switch index {
      case 0: forks.zero.withLock(body)
      case 1: forks.one.withLock(body)
      default: forks.two.withLock(body)
      }
    }
  }

  /// A thread waits for a permit for a while, and others give two and take one.
  static let semaphoreTimeout = Scenario("Blocking/semaphore-timeout") { machine in
    let run = Run(machine, cpuCount: 2, threads: 3)
    machine.keep(run)
    let shared = Shared()
    run.start {
      run.spawn {
        if shared.semaphore.wait(until: MonotonicClock.nanoseconds + 300) {
          shared.results.wrappingAdd(1, ordering: .relaxed)
        }
        run.finish()
      }.detach()
      run.spawn {
        shared.semaphore.wait()
        shared.results.wrappingAdd(1, ordering: .relaxed)
        run.finish()
      }.detach()
      run.spawn {
        shared.semaphore.signal()
        shared.semaphore.signal()
        run.finish()
      }.detach()
    }
    expect(
      run, 2,
      of: {
        var rest = 0
        while shared.semaphore.tryWait() { rest += 1 }
        return rest + shared.results.load(ordering: .relaxed)
      })
  }

  private static func expect(_ run: Run, _ expected: Int, of value: @escaping () -> Int) {
    run.machine.atEnd {
      run.machine.check(value() == expected, "\(value()) instead of \(expected)")
    }
  }
}

// For the end of a run, when there are no threads.
extension Mutex where State == Int {
  fileprivate var count: Int { state.address.pointee }
}

extension RWLock where State == Int {
  fileprivate var count: Int { state.address.pointee }
}
