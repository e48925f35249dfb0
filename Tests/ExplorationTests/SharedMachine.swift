import Exploration
import Interrupts
import Kernel
import Locking
import Machine
import PerCPU

/// Memory that lives as long as a run.
final class Storage {
  let start: UnsafeMutableRawPointer

  init(byteCount: Int, alignment: Int = 128) {
    start = .allocate(byteCount: byteCount, alignment: alignment)
    start.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
  }

  deinit { start.deallocate() }
}

extension Simulation {
  /// Makes the machine's mailboxes anew, and all its CPUs online: state that a process has once.
  func startSharedMachine(cpuCount: Int) {
    let calls = Storage(byteCount: CrossCall.byteCount(for: cpuCount))
    let urgentCalls = Storage(byteCount: UrgentCall.byteCount(for: cpuCount))
    let epochs = Storage(byteCount: Epoch.byteCount(for: cpuCount))
    keep(urgentCalls)
    keep(epochs)
    Epoch.shared.initialize(in: epochs.start, count: cpuCount)
    UrgentCall.initialize(in: urgentCalls.start, count: cpuCount)
    keep(calls)
    CrossCall.initialize(in: calls.start, count: cpuCount)
    for index in 0..<cpuCount { CPUSet.markOnline(CPU(index: index)) }
    onInterrupt(handleInterrupt)
  }
}
