import Machine
import PerCPU

/// A thread: a flow of control with a stack of its own, which runs on one CPU at a time.
///
/// A name, valid from `spawn` until the thread was joined, or after `detach` until it has ended.
// A name says where the record is; what may be done with that is the scheduler's part, on any CPU.
public struct Thread: Equatable, @unchecked Sendable {
  @usableFromInline let record: UnsafeMutablePointer<ThreadRecord>

  @inline(__always)
  @usableFromInline
  init(_ record: UnsafeMutablePointer<ThreadRecord>) { self.record = record }

  /// The names are the same.
  @inline(__always)
  public static func == (first: Thread, second: Thread) -> Bool { first.record == second.record }
}

extension Thread {
  /// How urgent a thread is: a thread runs only where none that is more urgent waits for the same CPU.
  public enum Priority: UInt8, Sendable, CustomStringConvertible {
    /// When nothing else is to be done.
    case background = 0
    /// Most threads.
    case normal = 3
    /// Before most threads: short work that others wait for.
    case urgent = 6

    public var description: String {
      switch self {
      case .background: "background"
      case .normal: "normal"
      case .urgent: "urgent"
      }
    }
  }
}

/// All that the scheduler knows of a thread.
@usableFromInline
struct ThreadRecord: ~Copyable {
  /// Where its stack was left, and more that is its own. Of whoever holds the lock of the run queue in
  /// which it is; while it runs, of its CPU.
  var header = ThreadHeader()

  // Guarded by the lock of the run queue in which the thread is.
  var next: UnsafeMutablePointer<ThreadRecord>?
  var previous: UnsafeMutablePointer<ThreadRecord>?
  /// The priority by which it is scheduled, and what of `inherited` it is made of; where it runs, guarded in
  /// the same way.
  var priority: Int
  var appliedLoans: UInt64 = 0

  /// The CPU where it waits, runs, or ran last, and whether it waits: one word, so that both are read at
  /// once. Written with the lock of that CPU's run queue held, whose holder may rely on what it reads.
  let place: Atomic<UInt32>
  /// The CPUs on which it may run; bits of a `CPUSet`. See `Thread.setAffinity`.
  let affinity: Atomic<UInt64>
  /// How many mutexes lend the thread each priority, a byte for each; see `PriorityInheritance`.
  let inherited = Atomic<UInt64>(0)
  /// See `Parking`.
  let parking = Atomic<UInt32>(Parking.running)
  /// See `Ending`.
  let ending = Atomic<UInt64>(Ending.runs)

  /// The thread's own, while it runs. See `ThreadLocal`.
  var locals = ThreadLocals()

  // Of the thread, and of others only by a queue's or a timer list's lock: here and not on its stack, which
  // need not be there for other CPUs.
  /// Its place in a wait queue, while it waits.
  var wait = WaitPlace()
  /// What ends its wait or sleep.
  var timer = TimerNode()
  /// The mutex for which it waits, or 0, and how many threads look after that; see `PriorityInheritance`.
  let waitsFor = Atomic<UInt64>(0)
  let visitors = Atomic<UInt32>(0)
  /// The priority by which it counts in that mutex's queue.
  var rank = 0

  /// Nanoseconds that it has run, where they are counted. Written by the CPU that runs it.
  let runTime = Atomic<UInt64>(0)

  // Guarded by the lock of the list of threads in which it is.
  var nextStarted: UnsafeMutablePointer<ThreadRecord>?
  var previousStarted: UnsafeMutablePointer<ThreadRecord>?

  // Constant once it is started.
  /// The CPU that started it, and its number there; 0 for a CPU's idle loop.
  var starter = 0
  var number: UInt64 = 0
  var name = ThreadName()
  let basePriority: Int
  /// What it runs.
  var body: (() -> Void)?
  /// The memory of its stack; `nil` for a CPU's idle loop.
  let memory: ThreadMemory?

  init(
    priority: Int, affinity: UInt64, cpu: Int, memory: ThreadMemory?, body: (() -> Void)?
  ) {
    self.priority = priority
    basePriority = priority
    self.affinity = Atomic(affinity)
    place = Atomic(Place.runs(on: cpu))
    self.memory = memory
    self.body = body
  }
}

/// The values of `ThreadRecord.place`.
enum Place {
  @inline(__always)
  static func runs(on cpu: Int) -> UInt32 { UInt32(truncatingIfNeeded: cpu) }
  @inline(__always)
  static func waits(on cpu: Int) -> UInt32 { UInt32(truncatingIfNeeded: cpu) | 1 << 31 }
  @inline(__always)
  static func cpu(of place: UInt32) -> CPU { CPU(index: Int(place & 0xFFFF)) }
}
