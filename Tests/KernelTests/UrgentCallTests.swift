import Locking
import Machine
import PerCPU
import Testing

@testable import Interrupts

extension SimulatedMachine {
  @Suite struct UrgentCallTests {
    private let machine = SimulatedMachine.shared

    private enum Held: LockClass {
      typealias Context = ThreadOnly
      typealias Level = AddressSpaceLevel
      static var name: StaticString { "held by a test" }
    }

    /// Counts the CPU's bit up by one, where it is answered as it should be.
    private static let count: @convention(c) (UnsafeRawPointer, Int) -> Void = { context, cpu in
      let isRight = cpu == Processor.index && !Processor.interruptsAreEnabled
      context.assumingMemoryBound(to: Atomic<UInt64>.self).pointee
        .wrappingAdd(isRight ? 1 << UInt64(cpu * 16) : 1 << 63, ordering: .relaxed)
    }

    private static func counts(_ sum: borrowing Atomic<UInt64>) -> [UInt64] {
      let sum = sum.load(ordering: .relaxed)
      return (0..<4).map { sum >> ($0 * 16) & 0xFFFF }
    }

    /// The holder of a lock waits for CPUs that wait for the lock with interrupts off.
    @Test func aCPUThatSpinsWithInterruptsOffAnswers() {
      let lock = SpinLock<Held, Int>(0)
      let sum = Atomic<UInt64>(0)
      let running = Atomic<Int>(SimulatedMachine.cpuCount)
      onSimulatedCPUs(SimulatedMachine.cpuCount) { _ in
        Processor.disableInterrupts()
        for _ in 0..<200 {
          lock.withLock { turns in
            turns += 1
            withUnsafePointer(to: sum) {
              UrgentCall.run(on: .online, Self.count, context: $0)
            }
          }
        }
        running.wrappingSubtract(1, ordering: .releasing)
        while running.load(ordering: .acquiring) > 0 { SpinWait.turn() }
        Processor.enableInterrupts()
      }
      #expect(lock.withLock { $0 } == 800)
      #expect(Self.counts(sum) == [800, 800, 800, 800])
    }

    @Test func onlyTheCPUsOfTheSetAreCalled() {
      let sum = Atomic<UInt64>(0)
      let running = Atomic<Int>(SimulatedMachine.cpuCount)
      onSimulatedCPUs(SimulatedMachine.cpuCount) { index in
        Processor.disableInterrupts()
        if index == 1 {
          withUnsafePointer(to: sum) {
            UrgentCall.run(on: CPUSet(CPU(index: 1)), Self.count, context: $0)
            UrgentCall.run(on: CPUSet(CPU(index: 3)), Self.count, context: $0)
            UrgentCall.run(on: CPUSet(CPU(index: 60)), Self.count, context: $0)
            UrgentCall.run(on: CPUSet(), Self.count, context: $0)
          }
        }
        running.wrappingSubtract(1, ordering: .releasing)
        while running.load(ordering: .acquiring) > 0 { SpinWait.turn() }
      }
      #expect(Self.counts(sum) == [0, 1, 0, 1])
    }
  }
}
