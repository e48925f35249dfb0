import Exploration
import Locking
import Machine

/// `Locking/RWSpinLock.swift` and `Locking/SeqLock.swift`: writers alone, readers with whole values.
enum LockScenarios {
  static var all: [Scenario] { [readersAndWriters, sequence, sequenceInInterrupts] }

  private enum ThreadClass: LockClass {
    typealias Context = ThreadOnly
    typealias Level = HeapLevel
    static var name: StaticString { "explored" }
  }

  private enum InterruptClass: LockClass {
    typealias Context = InterruptSafe
    typealias Level = LogLevel
    static var name: StaticString { "explored in interrupts" }
  }

  private final class Guarded {
    let lock = RWSpinLock<ThreadClass, Int>(0)
    var readers = 0
    var writers = 0
  }

  /// Two CPUs write, two read, each twice.
  static let readersAndWriters = Scenario("RWSpinLock/exclusion") { machine in
    let shared = Guarded()
    for _ in 0..<2 {
      machine.cpu {
        for _ in 0..<2 {
          shared.lock.withWriteLock { count in
            shared.writers += 1
            machine.check(
              shared.writers == 1 && shared.readers == 0, "a writer is not alone in the lock")
            let seen = count
            machine.yieldPoint()
            count = seen + 1
            shared.writers -= 1
          }
        }
      }
    }
    for _ in 0..<2 {
      machine.cpu {
        for _ in 0..<2 {
          shared.lock.withReadLock { count in
            shared.readers += 1
            let seen = count
            machine.yieldPoint()
            machine.check(
              shared.writers == 0 && count == seen, "a reader meets a writer in the lock")
            shared.readers -= 1
          }
        }
      }
    }
    machine.atEnd {
      let count = shared.lock.withReadLock { $0 }
      machine.check(count == 4, "4 writers, \(count) counted")
    }
  }

  private struct Pair: BitwiseCopyable {
    var first: UInt64 = 0
    var second: UInt64 = 0
  }

  private final class Sequence<Class: LockClass> {
    let lock = SeqLock<Class, Pair>(Pair())

    func check(_ machine: Simulation, atLeast least: UInt64 = 0) -> UInt64 {
      let pair = lock.read()
      machine.check(pair.second == pair.first * 3, "half a value: \(pair.first), \(pair.second)")
      machine.check(pair.first >= least, "an old value: \(pair.first) after \(least)")
      return pair.first
    }
  }

  private static func increment(_ pair: inout Pair) {
    pair.first += 1
    pair.second = pair.first * 3
  }

  /// Two CPUs write, one reads.
  static let sequence = Scenario("SeqLock/values") { machine in
    let shared = Sequence<ThreadClass>()
    for _ in 0..<2 { machine.cpu { shared.lock.write(increment) } }
    machine.cpu {
      var last: UInt64 = 0
      for _ in 0..<2 { last = shared.check(machine, atLeast: last) }
    }
    machine.atEnd { machine.check(shared.check(machine) == 2, "a change is lost") }
  }

  /// Handlers read and write too.
  static let sequenceInInterrupts = Scenario("SeqLock/interrupts") { machine in
    let shared = Sequence<InterruptClass>()
    machine.onInterrupt { _ in
      let before = shared.check(machine)
      InterruptsDisabled.assumed { shared.lock.write(interruptsDisabled: $0, increment) }
      _ = shared.check(machine, atLeast: before + 1)
    }
    for index in 0..<2 {
      machine.interrupt(.timer, on: index)
      machine.cpu {
        let before = shared.check(machine)
        shared.lock.writeWithInterruptsDisabled(increment)
        _ = shared.check(machine, atLeast: before + 1)
      }
    }
    machine.atEnd { machine.check(shared.check(machine) == 4, "a change is lost") }
  }
}
