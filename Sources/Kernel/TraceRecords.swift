#if hasFeature(Embedded)
import Console
import PerCPU
import Scheduler
import Tracing

/// What the CPUs did and when, for `apus run --trace`.
enum TraceRecords {
  /// Tells `apus` all that is there, if it is wanted. When all other CPUs have been stopped.
  @inline(never)
  static func write() {
    guard Trace.isRecording else { return }
    Trace.stop()
    let cpus = CPUSet.online
    for cpu in cpus where Trace.lostCount(of: cpu) > 0 {
      ConsoleDevice.recordUnlocked("trace-lost \(cpu.index) \(Trace.lostCount(of: cpu))")
    }
    // Of threads that are there the event of their start may have given way to later ones.
    Thread.visitAllWithoutLocks { thread in
      var line: LogMessage = "trace-thread"
      line.append(field: thread.number)
      line.append(byte: 0x20)
      thread.forEachByteOfName { line.append(byte: $0) }
      ConsoleDevice.recordUnlocked(line)
    }
    Trace.forEachEvent(of: cpus) { cpu, event in
      var line: LogMessage = "trace"
      let values: InlineArray<6, UInt64> = [
        UInt64(cpu.index), event.kindNumber, event.time, event.duration, event.first, event.second,
      ]
      for index in 0..<6 {
        line.append(byte: 0x20)
        line.append(shortHex: values[index])
      }
      ConsoleDevice.recordUnlocked(line)
    }
  }
}
#endif
