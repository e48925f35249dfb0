import Exploration
import Locking
import Machine

/// `Locking/SpinLock.swift`: one CPU is inside at a time, and all get in.
enum SpinLockScenarios {
  static var all: [Scenario] { [exclusion, interrupts, queue] }

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

  private final class Shared<Class: LockClass> {
    let lock = SpinLock<Class, Int>(0)
    var inside = 0
    /// Where the CPUs that came have their nodes.
    var storages: Set<UnsafeMutableRawPointer> = []

    /// When the queue is empty all nodes are free again. Whoever comes passes the nodes that were
    /// abandoned, so somebody has to come last.
    func checkNodes(_ machine: Simulation) {
      let used: Int = storages.reduce(0) { count, storage in
        count + (0..<8).count { (storage + $0 * 8).load(as: UInt64.self) != 0 }
      }
      machine.check(used == 0, "\(used) nodes are lost in the queue")
    }
  }

  /// What a CPU does inside, with room for others to intrude.
  private static func visit<Class>(
    _ machine: Simulation, _ shared: Shared<Class>, _ count: inout Int
  ) {
    shared.storages.insert(Processor.lockingStorage)
    shared.inside += 1
    machine.check(shared.inside == 1, "\(shared.inside) CPUs are inside the lock")
    let seen = count
    machine.yieldPoint()
    count = seen + 1
    shared.inside -= 1
  }

  static let exclusion = Scenario("SpinLock/exclusion") { machine in
    let shared = Shared<ThreadClass>()
    for _ in 0..<3 {
      machine.cpu {
        for _ in 0..<2 { shared.lock.withLock { visit(machine, shared, &$0) } }
      }
    }
    machine.atEnd {
      let count = shared.lock.withLock { $0 }
      machine.check(count == 6, "6 visits, \(count) counted")
      shared.checkNodes(machine)
    }
  }

  /// A handler takes the lock too, on each CPU at any time that the lock lets it.
  static let interrupts = Scenario("SpinLock/interrupts") { machine in
    let shared = Shared<InterruptClass>()
    machine.onInterrupt { _ in
      InterruptsDisabled.assumed {
        shared.lock.withLock(interruptsDisabled: $0) { visit(machine, shared, &$0) }
      }
    }
    for index in 0..<2 {
      machine.interrupt(.timer, on: index)
      machine.cpu {
        shared.lock.withLockAndInterruptsDisabled { visit(machine, shared, &$0) }
        machine.check(Processor.interruptsAreEnabled, "interrupts stay off")
      }
    }
    machine.atEnd {
      let count = shared.lock.withLockAndInterruptsDisabled { $0 }
      machine.check(count == 4, "4 visits, \(count) counted")
      shared.checkNodes(machine)
    }
  }

  /// One CPU after the other comes to the lock while others are in it or wait, and some are kept from
  /// running for long: those behind take the lock past them, and the nodes that they leave in the queue
  /// are found again.
  static let queue = Scenario("SpinLock/queue") { machine in
    let shared = Shared<InterruptClass>()
    for _ in 0..<4 {
      machine.cpu {
        for _ in 0..<3 {
          shared.lock.withLockAndInterruptsDisabled { visit(machine, shared, &$0) }
        }
      }
    }
    machine.atEnd {
      let count = shared.lock.withLockAndInterruptsDisabled { $0 }
      machine.check(count == 12, "12 visits, \(count) counted")
      shared.checkNodes(machine)
    }
  }
}
