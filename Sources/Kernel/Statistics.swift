#if hasFeature(Embedded)
import Console
import Machine
import PerCPU
import Scheduler
import VirtualMemory

/// What the CPUs and threads have done, for `apus run --stats`.
enum Statistics {
  private static let isWanted = BootConstant<UInt64>(0)

  /// Begins to count, on the boot CPU, before others run.
  static func start(count: Int) {
    isWanted.set(1)
    Scheduler.startAccounting(count: count)
  }

  /// Whether there is something to be told at the end.
  static var areWanted: Bool { isWanted.value != 0 }

  /// Tells `apus` the figures, if they are wanted. When all other CPUs have been stopped.
  @inline(never)
  static func record() {
    guard areWanted else { return }
    for cpu in CPUSet.online { record(cpu) }
    Thread.visitAllWithoutLocks { thread in
      var line: LogMessage = "thread-stats"
      line.append(field: thread.number)
      line.append(field: UInt64(thread.priority))
      line.append(field: UInt64(thread.cpu.index))
      line.append(field: thread.runTime)
      switch thread.state {
      case .running: line.append(" running ")
      case .ready: line.append(" ready ")
      case .waiting: line.append(" waiting ")
      case .ended: line.append(" ended ")
      }
      thread.forEachByteOfName { line.append(byte: $0) }
      ConsoleDevice.recordUnlocked(line)
    }
  }

  @inline(never)
  private static func record(_ cpu: CPU) {
    let figures = Scheduler.statisticsWithoutLocks(of: cpu)
    let shootdowns = AddressSpace.shared.shootdownCounts(of: cpu)
    let block = ProcessorBlocks.block(of: cpu)
    let values: InlineArray<16, UInt64> = [
      UInt64(cpu.index), figures.busyTime, figures.idleTime, figures.switches,
      figures.preemptions, figures.pulls, figures.wakeInterrupts, figures.idleWhileRunnable,
      figures.started, block.interruptsSent, block.faultCount,
      UInt64(truncatingIfNeeded: shootdowns.sent), UInt64(truncatingIfNeeded: shootdowns.avoided),
      figures.timers, figures.timerLateness, figures.greatestTimerLateness,
    ]
    var line: LogMessage = "cpu-stats"
    for index in 0..<16 { line.append(field: values[index]) }
    ConsoleDevice.recordUnlocked(line)
  }
}

extension LogMessage {
  /// Adds a blank and a number in decimal, as records have them.
  @inline(never)
  mutating func append(field value: UInt64) {
    append(byte: 0x20)
    append(decimal: value)
  }
}
#endif
