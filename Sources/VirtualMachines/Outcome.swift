/// How a run of a virtual machine ended, and what was learnt on the way.
public struct Outcome: Equatable, Sendable {
  /// Why the virtual machine ended.
  public enum Reason: Equatable, Sendable {
    /// The application ended with a status.
    case exited(status: UInt8)
    /// The kernel panicked; its report is in the log.
    case panicked
    /// The guest's memory ran out.
    case outOfMemory
    /// The run took longer than the configuration allows and was stopped or killed.
    case timedOut
    /// The guest reset itself without saying why, as a triple fault does.
    case reset
    /// QEMU did not start the machine, or ended by itself.
    case qemuFailed(message: String)
    /// The command received a signal, which killed the run.
    case interrupted(signal: Int32)
  }

  /// Why the virtual machine ended.
  public var reason: Reason
  /// What the kernel said before it called `main`, or `nil` when it did not get that far.
  public var boot: BootRecord?
  /// The seconds of the host's monotonic clock from QEMU's start to its end.
  public var wallSeconds: Double
  /// All records in order, those of guest tests too.
  public var records: [Record]

  /// What QEMU itself wrote to its standard error.
  public var qemuMessages: String

  public init(
    reason: Reason, boot: BootRecord? = nil, wallSeconds: Double = 0, records: [Record] = [],
    qemuMessages: String = ""
  ) {
    self.reason = reason
    self.boot = boot
    self.wallSeconds = wallSeconds
    self.records = records
    self.qemuMessages = qemuMessages
  }

  /// Whether the log holds the kernel's report of where every CPU was.
  public var hasReport: Bool { records.contains(.panic) }

  /// What a checked image counted of its locks, if it came to the end of its application.
  public var locks: [LockRecord] {
    records.compactMap { record in
      if case .lock(let lock) = record { lock } else { nil }
    }
  }

  /// What each CPU did, if that was asked for and the machine came to its end, or to a report.
  public var cpuStatistics: [CPURecord] {
    records.compactMap { record in
      if case .cpuStatistics(let cpu) = record { cpu } else { nil }
    }
  }

  /// The threads that were there then.
  public var threadStatistics: [ThreadRecord] {
    records.compactMap { record in
      if case .threadStatistics(let thread) = record { thread } else { nil }
    }
  }

  /// What the CPUs of a traced machine did, if the machine came to its end.
  public var trace: RecordedTrace {
    var trace = RecordedTrace()
    for record in records {
      switch record {
      case .trace(let event): trace.records.append(event)
      case .traceThread(let number, let name): trace.threadNames[number] = name
      case .traceLost(let cpu, let count): trace.lost[cpu] = count
      default: break
      }
    }
    return trace
  }

  /// The status with which `apus run` ends.
  public var exitStatus: Int32 {
    switch reason {
    case .exited(let status): Int32(status)
    case .timedOut: 124
    case .reset, .qemuFailed: 125
    case .panicked: 134
    case .outOfMemory: 137
    case .interrupted(let signal): 128 + signal
    }
  }
}
