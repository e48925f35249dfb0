import Machine
import PerCPU

/// Which thread runs on which CPU.
///
/// Threads give way when they wait, end or `yield`, when their time is over and others wait, and when a more
/// urgent one is there.
public enum Scheduler {
  static let queues = CPULocal<RunQueue>()
  private static let idleRecords = CPULocal<ThreadRecord>()
  static let stacks = CPULocal<StackCache>()
  static let lists = CPULocal<ThreadList>()

  /// Memory that the scheduler needs for `count` CPUs, in bytes.
  public static func byteCount(for count: Int) -> Int {
    CPULocal<RunQueue>.byteCount(for: count) + CPULocal<ThreadRecord>.byteCount(for: count)
      + CPULocal<StackCache>.byteCount(for: count) + CPULocal<TimerQueue>.byteCount(for: count)
      + CPULocal<ThreadList>.byteCount(for: count)
  }

  /// Makes threads possible; `storage` is never freed and aligned to 128 bytes. What runs on a CPU now is
  /// its idle loop from then on. On the boot CPU.
  public static func initialize(in storage: UnsafeMutableRawPointer, count: Int) {
    var storage = storage
    idleRecords.initialize(in: storage, count: count) { cpu in
      ThreadRecord(
        priority: 0, affinity: CPUSet(cpu).rawValue, cpu: cpu.index, memory: nil, body: nil)
    }
    storage += CPULocal<ThreadRecord>.byteCount(for: count)
    queues.initialize(in: storage, count: count) { cpu in
      RunQueue(cpu: cpu.index, idle: idleRecords.pointer(for: cpu))
    }
    storage += CPULocal<RunQueue>.byteCount(for: count)
    stacks.initialize(in: storage, count: count) { _ in StackCache() }
    storage += CPULocal<StackCache>.byteCount(for: count)
    Timers.queues.initialize(in: storage, count: count) { _ in TimerQueue() }
    storage += CPULocal<TimerQueue>.byteCount(for: count)
    lists.initialize(in: storage, count: count) { _ in ThreadList() }
    IdleCPUs.reset()
    Processor.setThread(idleRecords.pointer(for: .current))
  }

  /// The thread that runs.
  @inline(__always)
  static var currentRecord: UnsafeMutablePointer<ThreadRecord> {
    guard let thread = Processor.thread else {
      fatalError("there is no thread before the scheduler is made")
    }
    return thread.assumingMemoryBound(to: ThreadRecord.self)
  }
}

extension Thread {
  /// The thread that executes the call. A CPU's idle loop is one too.
  @inline(__always)
  public static var current: Thread { Thread(Scheduler.currentRecord) }
}
