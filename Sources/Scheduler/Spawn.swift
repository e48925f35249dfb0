import CMachine
import Machine
import PerCPU
import Tracing

extension Thread {
  /// Bytes of a stack where nothing else is asked for.
  public static var defaultStackSize: Int { 64 << 10 }
  /// The smallest stack that can be asked for, in bytes.
  public static var minimumStackSize: Int { 4 << 10 }

  /// Starts a thread that runs `body`, called `name` in reports (31 bytes of it), on the CPUs of `affinity` (all, if it is `nil`) that run. It must
  /// be joined or detached. `stackSize` is in bytes and rounded up. Not in interrupts.
  public static func spawn(
    name: String = "", priority: Priority = .normal, affinity: CPUSet? = nil,
    stackSize: Int = defaultStackSize, _ body: @escaping @Sendable () -> Void
  ) throws(ThreadError) -> Thread {
    let cpus = affinity?.intersection(.online) ?? .online
    if cpus.isEmpty { throw ThreadError.noCPU }
    if stackSize < minimumStackSize { throw ThreadError.stackTooSmall }
    // More than there are addresses for; here, because it is rounded up below.
    if stackSize >= 1 << 39 { throw ThreadError.outOfMemory }
    Ending.reap()
    let memory = try ThreadMemory.allocate(byteCount: (stackSize + 63) & ~63)
    let thread = Thread(priority: priority, affinity: cpus.rawValue, memory: memory, body: body)
    if !name.isEmpty { thread.record.pointee.name = ThreadName(name) }
    thread.start()
    return thread
  }

  /// Starts a thread on a stack that is never given back, on this CPU: the one that runs `main`.
  public static func start(
    on memory: UnsafeMutableRawBufferPointer, _ body: @escaping @Sendable () -> Void
  ) {
    guard let start = memory.baseAddress else { fatalError("a thread without a stack") }
    let memory = ThreadMemory(start: start, byteCount: memory.count)
    let own = CPUSet(.current)
    let thread = Thread(priority: .normal, affinity: own.rawValue, memory: memory) {
      Thread.current.restoreAffinity(CPUSet(bits: ~0))
      body()
    }
    thread.record.pointee.name = ThreadName("main")
    thread.start()
  }

  private init(
    priority: Priority, affinity: UInt64, memory: ThreadMemory,
    body: @escaping @Sendable () -> Void
  ) {
    record = .allocate(capacity: 1)
    record.initialize(
      to: ThreadRecord(
        priority: Int(priority.rawValue), affinity: affinity, cpu: CPU.current.index,
        memory: memory, body: body))
    record.pointee.header.stack = SuspendedStack(top: memory.top, Self.begin, argument: record)
  }

  /// Puts a new thread where it may run.
  private func start() {
    ThreadList.insert(record)
    if Trace.isRecording {
      Trace.recordSpawn(
        record.pointee.number, priority: UInt64(record.pointee.basePriority),
        name: record.pointee.name.bytes)
    }
    Processor.withInterruptsDisabled { Placement.put(record) }
  }

  /// The first function of each thread.
  private static let begin: @convention(c) (UnsafeMutableRawPointer) -> Void = { argument in
    InterruptsDisabled.assumed { proof in Switch.finish(proof) }
    Processor.enableInterrupts()
    let record = argument.assumingMemoryBound(to: ThreadRecord.self)
    // Whoever sees to the end lets go of what it holds: nothing is left in the heap of the CPU where it ran.
    record.pointee.body?()
    if record.pointee.header.line != nil { apus_end_output() }
    Thread.exit()
  }
}
