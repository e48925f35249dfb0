import Exploration
import Locking
import Machine
import PerCPU

@testable import Interrupts

/// `Interrupts/UrgentCall.swift`: every CPU answers, also one that spins with interrupts off for a lock
/// that the caller holds.
enum UrgentCallScenarios {
  static var all: [Scenario] { [callerHoldsLock, mutual, translations] }

  private enum ExploredLock: LockClass {
    typealias Context = InterruptSafe
    typealias Level = LogLevel
    static var name: StaticString { "explored" }
  }

  private final class Shared {
    let lock = SpinLock<ExploredLock, Int>(0)
    // One explorer's thread plays all CPUs.
    var calls = [0, 0, 0]
    var misplaced = 0

    /// What a call does on a CPU: it is its own, with interrupts off.
    static let note: @convention(c) (UnsafeRawPointer, Int) -> Void = { context, cpu in
      let shared = Unmanaged<Shared>.fromOpaque(context).takeUnretainedValue()
      shared.calls[cpu] += 1
      if cpu != Processor.index || Processor.interruptsAreEnabled { shared.misplaced += 1 }
    }

    func callAll() {
      UrgentCall.run(
        on: .online, Self.note, context: Unmanaged.passUnretained(self).toOpaque())
    }
  }

  private static func check(_ machine: Simulation, _ shared: Shared, calls: Int) {
    machine.atEnd {
      machine.check(shared.calls == [calls, calls, calls], "calls done: \(shared.calls)")
      machine.check(shared.misplaced == 0, "a call ran elsewhere or with interrupts on")
      let count = shared.lock.withLockAndInterruptsDisabled { $0 }
      machine.check(count == 2, "the lock was taken \(count) times")
    }
  }

  /// The caller holds the lock for which another CPU spins with interrupts off.
  static let callerHoldsLock = Scenario("UrgentCall/caller-holds-lock") { machine in
    machine.startSharedMachine(cpuCount: 3)
    let shared = Shared()
    machine.cpu {
      shared.lock.withLockAndInterruptsDisabled {
        $0 += 1
        shared.callAll()
      }
    }
    machine.cpu { shared.lock.withLockAndInterruptsDisabled { $0 += 1 } }
    machine.cpu {}
    check(machine, shared, calls: 1)
  }

  /// Two CPUs call all at the same time, each with the lock in its hands or waiting for it.
  static let mutual = Scenario("UrgentCall/mutual") { machine in
    machine.startSharedMachine(cpuCount: 3)
    let shared = Shared()
    for _ in 0..<2 {
      machine.cpu {
        shared.callAll()
        shared.lock.withLockAndInterruptsDisabled {
          $0 += 1
          shared.callAll()
        }
      }
    }
    machine.cpu {}
    check(machine, shared, calls: 4)
  }

  /// A page is taken out, all CPUs forget it by an urgent call, and its frame is used again: nobody
  /// reads the new content by the old translation.
  static let translations = Scenario("UrgentCall/translations") { machine in
    machine.startSharedMachine(cpuCount: 2)
    let memory = SimulatedMemory(byteCount: 8 * 4096)
    let mmu = SimulatedMMU(cpuCount: 2)
    machine.keep(memory)
    machine.keep(mmu)
    let page: UInt64 = 0x40_0000
    let entry = memory.mapPage(page, to: 5 * 4096, tables: 1 * 4096)
    memory.store(0x11, at: 5 * 4096)
    mmu.useOnThisThread()
    machine.cpu {
      AddressTranslation.use(root: 4096)
      memory.store(0, at: entry)
      let nothing = 0
      withUnsafePointer(to: nothing) {
        UrgentCall.run(
          on: .online, { _, _ in AddressTranslation.forget(0x40_0000) }, context: $0)
      }
      memory.store(0x22, at: 5 * 4096)
    }
    machine.cpu {
      AddressTranslation.use(root: 4096)
      for _ in 0..<3 {
        guard let value = try? mmu.read(page) else { continue }
        machine.check(value == 0x11, "a page that is gone reads \(value), another's data")
      }
    }
  }
}
