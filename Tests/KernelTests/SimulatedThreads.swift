import Machine

@testable import PerCPU
@testable import Scheduler

/// Threads of the kernel's scheduler on CPUs that threads of the host play at the same time.
///
/// Nothing interrupts them: they take the interrupts of timers and those that other CPUs send where they look.
enum SimulatedThreads {
  /// Runs threads, `body` being the first, to their end on so many CPUs.
  static func run(cpuCount: Int, _ body: @escaping @Sendable () -> Void) {
    _ = SimulatedMachine.shared
    // Never given back: whoever asks for the running thread later finds where it would be.
    let storage = UnsafeMutableRawPointer.allocate(
      byteCount: Scheduler.byteCount(for: cpuCount), alignment: 128)
    Scheduler.initialize(in: storage, count: cpuCount)
    let isOver = Flag()
    CPUSet.withOnline(cpuCount) {
      onSimulatedCPUs(cpuCount) { index in
        if index == 0 {
          let first = try? Thread.spawn(stackSize: 512 << 10) {
            body()
            isOver.value.store(1, ordering: .releasing)
          }
          first?.detach()
        }
        Scheduler.runThreads(
          until: { isOver.value.load(ordering: .acquiring) != 0 },
          beforeHalt: {
            takeInterrupts()
            return false
          })
        Scheduler.reclaim()
      }
    }
  }

  private final class Flag: Sendable { let value = Atomic<Int>(0) }

  /// Takes the interrupts that have come: in a thread, which may lose its CPU, or an idle loop.
  // Not a part of its caller, since the CPU may be another one afterwards.
  @inline(never)
  static func takeInterrupts() {
    Processor.disableInterrupts()
    Processor.withInterruptMarked {
      handleTimer()
      handleWake()
    }
    if Processor.preemptionRequest != 0 && preemptionIsDue() { preempt() }
    Processor.enableInterrupts()
  }
}

extension CPUSet {
  /// Runs `body` on a machine of so many CPUs.
  fileprivate static func withOnline(_ count: Int, _ body: () -> Void) {
    let before = onlineBits.exchange(1 << UInt64(count) &- 1, ordering: .acquiringAndReleasing)
    body()
    onlineBits.store(before, ordering: .releasing)
  }
}
