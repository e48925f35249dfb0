import Machine
import PerCPU

/// What the CPUs did and when, for `apus run --trace`: a ring of events per CPU, of which the oldest give way.
///
/// Without `apus run --trace` there are no rings, and what would record an event reads one word and goes on:
/// three instructions. An event takes about 90, writes to its CPU's own memory only, and no locks: so it can
/// be recorded anywhere.
public enum Trace {
  private static let rings = CPULocal<TraceRing>()
  /// Set before other CPUs run, and cleared at the end of the program: who has not seen that yet adds an
  /// event that nobody reads.
  private static let recording = BootConstant<UInt64>(0)

  /// Whether events are recorded. Any context.
  @inline(__always)
  public static var isRecording: Bool { recording.value != 0 }

  /// Memory for so many events of each of `count` CPUs, in bytes. `eventCount` is a power of two.
  public static func byteCount(for count: Int, eventCount: Int) -> Int {
    CPULocal<TraceRing>.byteCount(for: count)
      + count * eventCount * MemoryLayout<TraceEvent>.stride
  }

  /// Begins to record; `storage` is never freed, and aligned to 128 bytes. On the boot CPU, before others
  /// run.
  public static func start(in storage: UnsafeMutableRawPointer, count: Int, eventCount: Int) {
    precondition(eventCount > 0 && eventCount & (eventCount - 1) == 0, "not a power of two")
    let events = storage + CPULocal<TraceRing>.byteCount(for: count)
    rings.initialize(in: storage, count: count) { cpu in
      TraceRing(
        (events + cpu.index * eventCount * MemoryLayout<TraceEvent>.stride)
          .bindMemory(to: TraceEvent.self, capacity: eventCount), capacity: eventCount)
    }
    recording.set(1)
  }

  /// Records nothing any more.
  public static func stop() { recording.set(0) }

  /// Records that something happens now, with what the kind says of the values. Any context.
  @inline(__always)
  public static func record(
    _ kind: TraceEvent.Kind, _ first: @autoclosure () -> UInt64 = 0,
    _ second: @autoclosure () -> UInt64 = 0
  ) {
    if isRecording { append(kind, since: nil, first(), second()) }
  }

  /// Records that a thread is made, and its name if it has one. Not in interrupts.
  @inline(__always)
  public static func recordSpawn(
    _ number: UInt64, priority: UInt64, name: InlineArray<31, UInt8>
  ) {
    if isRecording { appendSpawn(number, priority, name) }
  }

  /// The start of what will be recorded when it is over; 0 when nothing is recorded. Any context.
  @inline(__always)
  public static func begin() -> UInt64 { isRecording ? MonotonicClock.nanoseconds : 0 }

  /// Records what lasted since `start`, on one CPU. Any context.
  @inline(__always)
  public static func record(
    _ kind: TraceEvent.Kind, since start: UInt64, _ first: UInt64 = 0, _ second: UInt64 = 0
  ) {
    if isRecording { append(kind, since: start, first, second) }
  }

  @inline(never)
  private static func append(
    _ kind: TraceEvent.Kind, since start: UInt64?, _ first: UInt64, _ second: UInt64
  ) {
    Processor.withPreemptionDisabled {
      let now = MonotonicClock.nanoseconds
      let start = start ?? now
      rings.current.pointee.append(
        TraceEvent(kind, time: start, duration: now &- start, first, second))
    }
  }

  @inline(never)
  private static func appendSpawn(
    _ number: UInt64, _ priority: UInt64, _ name: InlineArray<31, UInt8>
  ) {
    // The name belongs to the thread that was made last on the CPU.
    Processor.withPreemptionDisabled {
      append(.spawn, since: nil, number, priority)
      if name[0] != 0 { rings.current.pointee.append(TraceEvent(name: name)) }
    }
  }

  /// Calls `body` for each event of the CPUs of `cpus` that is still there, those of one CPU in the order in
  /// which they were recorded. After `stop`.
  public static func forEachEvent(of cpus: CPUSet, _ body: (CPU, TraceEvent) -> Void) {
    guard rings.isInitialized else { return }
    for cpu in cpus { rings.pointer(for: cpu).pointee.visit { body(cpu, $0) } }
  }

  /// How many events of a CPU have given way to later ones.
  public static func lostCount(of cpu: CPU) -> Int {
    rings.isInitialized ? rings.pointer(for: cpu).pointee.lostCount : 0
  }
}

/// The last events of one CPU. Only the CPU itself writes, in interrupts too: so an event that began before
/// another one of an interrupt may be behind it.
struct TraceRing: ~Copyable {
  private let events: UnsafeMutablePointer<TraceEvent>
  private let capacity: Int
  /// How many were recorded.
  private let count = Atomic<Int>(0)

  init(_ events: UnsafeMutablePointer<TraceEvent>, capacity: Int) {
    self.events = events
    self.capacity = capacity
  }

  @inline(__always)
  func append(_ event: TraceEvent) {
    // One operation: an interrupt after it takes the next place.
    let number = count.wrappingAdd(1, ordering: .relaxed).oldValue
    (events + (number & (capacity &- 1))).initialize(to: event)
  }

  var lostCount: Int { Swift.max(count.load(ordering: .relaxed) - capacity, 0) }

  func visit(_ body: (TraceEvent) -> Void) {
    for number in lostCount..<count.load(ordering: .relaxed) {
      body(events[number & (capacity - 1)])
    }
  }
}
