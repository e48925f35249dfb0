#if hasFeature(Embedded)
import Console
import Machine
import PerCPU
import Scheduler

/// What the CPUs and threads have done, for `apus run --stats`.
enum Statistics {
  private static let isWanted = BootConstant<UInt64>(0)

  /// Begins to count, on the boot CPU, before others run.
  static func start(count: Int) {
    isWanted.set(1)
    Scheduler.startAccounting(count: count)
  }

  /// Tells `apus` the figures, at the program's end, if they are wanted.
  static func record() {
    if isWanted.value == 0 { return }
    for cpu in CPUSet.online {
      let figures = Scheduler.statistics(of: cpu)
      write(
        "cpu-stats",
        [
          UInt64(cpu.index), figures.busyTime, figures.idleTime, figures.switches,
          figures.preemptions, figures.pulls, figures.wakeInterrupts, figures.idleWhileRunnable,
        ])
    }
    Thread.visitAll { thread in
      var line: LogMessage = "thread-stats"
      let values: InlineArray<4, UInt64> = [
        thread.number, UInt64(thread.priority), UInt64(thread.cpu.index), thread.runTime,
      ]
      for index in 0..<4 {
        line.append(byte: 0x20)
        line.append(decimal: values[index])
      }
      line.append(byte: 0x20)
      switch thread.state {
      case .running: line.append("running")
      case .ready: line.append("ready")
      case .waiting: line.append("waiting")
      }
      line.append(byte: 0x20)
      thread.forEachByteOfName { line.append(byte: $0) }
      ConsoleDevice.record(line)
    }
  }

  private static func write(_ name: StaticString, _ values: InlineArray<8, UInt64>) {
    var line: LogMessage = ""
    line.append(name)
    for index in 0..<8 {
      line.append(byte: 0x20)
      line.append(decimal: values[index])
    }
    ConsoleDevice.record(line)
  }
}
#endif
