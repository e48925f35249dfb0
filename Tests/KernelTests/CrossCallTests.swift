import Machine
import PerCPU
import Testing

@testable import Interrupts

/// Runs `body` on every CPU of the machine; a CPU that is through with it goes on answering calls,
/// as one with interrupts on would, until all are through.
private func onAnsweringCPUs(_ body: @Sendable (Int) -> Void) {
  let running = Atomic<Int>(SimulatedMachine.cpuCount)
  onSimulatedCPUs(SimulatedMachine.cpuCount) { index in
    body(index)
    running.wrappingSubtract(1, ordering: .releasing)
    while running.load(ordering: .acquiring) > 0 {
      CrossCall.handleAll()
      Processor.pause()
    }
  }
}

extension SimulatedMachine {
  @Suite struct CrossCallTests {
    private let machine = SimulatedMachine.shared

    @Test func theFunctionRunsOnEveryCPUWithInterruptsOff() {
      let seen = Atomic<UInt64>(0)
      let violations = Atomic<Int>(0)
      onAnsweringCPUs { index in
        guard index == 1 else { return }
        let body: @Sendable (CPU) -> Void = { cpu in
          if cpu != .current || Processor.interruptsAreEnabled {
            violations.wrappingAdd(1, ordering: .relaxed)
          }
          seen.wrappingAdd(1 << UInt64(cpu.index * 16), ordering: .relaxed)
        }
        for _ in 0..<400 { CrossCall.run(on: .online, body) }
        CrossCall.run(on: CPUSet(CPU(index: 3)), body)
        CrossCall.run(on: CPUSet(CPU(index: 1)), body)
        CrossCall.run(on: CPUSet(CPU(index: 60)), body)
        if !Processor.interruptsAreEnabled { violations.wrappingAdd(1, ordering: .relaxed) }
      }
      let sum = seen.load(ordering: .relaxed)
      let counts = (0..<4).map { (cpu: UInt64) in sum >> (cpu * 16) & 0xFFFF }
      #expect(counts == [400, 401, 400, 401])
      #expect(violations.load(ordering: .relaxed) == 0)
    }

    /// No CPU takes an interrupt, so each must answer the others while it waits.
    @Test func cpusThatCallEachOtherWithInterruptsOffGetOn() {
      let count = Atomic<Int>(0)
      onAnsweringCPUs { _ in
        Processor.disableInterrupts()
        for _ in 0..<300 {
          CrossCall.run(on: .online) { _ in count.wrappingAdd(1, ordering: .relaxed) }
        }
        Processor.enableInterrupts()
      }
      #expect(count.load(ordering: .relaxed) == 4 * 4 * 300)
    }

    @Test func aPendingCallCanBeStartedAgain() {
      let count = Atomic<Int>(0)
      let early = Atomic<Int>(0)
      onAnsweringCPUs { index in
        guard index == 0 else { return }
        withUnsafePointer(to: count) { context in
          var call = CrossCall.Pending(capacity: 3)
          for turn in 1...200 {
            call.start(
              on: .online,
              { context, _ in
                context.assumingMemoryBound(to: Atomic<Int>.self).pointee
                  .wrappingAdd(1, ordering: .relaxed)
              }, context: context)
            call.wait()
            if !call.isDone || count.load(ordering: .relaxed) != turn * 3 {
              early.wrappingAdd(1, ordering: .relaxed)
            }
          }
        }
      }
      #expect(count.load(ordering: .relaxed) == 600)
      #expect(early.load(ordering: .relaxed) == 0)
    }

    @Test func moreCPUsThanThereIsRoomForIsFatal() async {
      await #expect(processExitsWith: .failure) {
        _ = SimulatedMachine.shared
        var call = CrossCall.Pending(capacity: 2)
        let nothing = 0
        withUnsafePointer(to: nothing) { call.start(on: .online, { _, _ in }, context: $0) }
      }
    }
  }
}
