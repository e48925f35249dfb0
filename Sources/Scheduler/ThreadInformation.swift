import Locking
import Machine
import PerCPU

/// What there is to say of a thread at a moment.
public struct ThreadInformation: Sendable {
  /// What a thread does.
  public enum State: Sendable {
    /// It runs.
    case running
    /// It waits for a CPU.
    case ready
    /// It waits for something else, has ended, or is on its way from one CPU to another.
    case waiting
  }

  /// No other thread of this run has it; `main` runs in thread 1.
  public let number: UInt64
  /// What it was called when it was started; empty if nothing was said.
  public let name: String
  /// How urgent it is.
  public let priority: Thread.Priority
  /// What it does.
  public let state: State
  /// Where it runs or ran last.
  public let cpu: CPU
  /// Nanoseconds that it has run, up to when it gave way last; 0 unless they are counted, see
  /// `Scheduler.startAccounting`.
  public let runTime: UInt64

  fileprivate init(_ snapshot: ThreadSnapshot) {
    number = snapshot.number
    name = snapshot.name.text
    priority = Thread.Priority(rawValue: UInt8(truncatingIfNeeded: snapshot.priority)) ?? .normal
    state = snapshot.state
    cpu = snapshot.cpu
    runTime = snapshot.runTime
  }
}

/// What is copied of a thread's record with the list's lock held, which keeps the record where it is.
package struct ThreadSnapshot {
  package let number: UInt64
  let name: ThreadName
  package let priority: Int
  package let state: ThreadInformation.State
  package let cpu: CPU
  package let runTime: UInt64

  init(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    number = thread.pointee.number
    name = thread.pointee.name
    priority = thread.pointee.priority
    let place = thread.pointee.place.load(ordering: .relaxed)
    cpu = Place.cpu(of: place)
    let running = Scheduler.queues.pointer(for: cpu).pointee.running.load(ordering: .relaxed)
    state =
      running == RunQueue.word(thread)
      ? .running : place == Place.waits(on: cpu.index) ? .ready : .waiting
    runTime = thread.pointee.runTime.load(ordering: .relaxed)
  }

  /// Calls `body` for each byte of the name.
  package func forEachByteOfName(_ body: (UInt8) -> Void) { name.forEachByte(body) }
}

extension Thread {
  /// The thread's number, see `ThreadInformation`; 0 for a CPU's idle loop.
  public var number: UInt64 { record.pointee.number }

  /// The thread's name; empty if it was given none.
  public var name: String { record.pointee.name.text }

  /// All threads that were started and not joined yet, or detached and not gone: those of one CPU after
  /// those of another, as they are one after another; while this looks at them others go on. Allocates. Not in
  /// interrupts.
  public static var all: [ThreadInformation] {
    var result: [ThreadInformation] = []
    for cpu in CPUSet.online {
      // The names are made outside of the lock, where memory may be allocated, one thread at a time.
      var after: UInt64 = .max
      while let snapshot = next(before: after, of: cpu) {
        after = snapshot.number
        result.append(ThreadInformation(snapshot))
      }
    }
    return result
  }

  /// Calls `body` for all threads; like `all`, without memory.
  package static func visitAll(_ body: (ThreadSnapshot) -> Void) {
    for cpu in CPUSet.online {
      var after: UInt64 = .max
      while let snapshot = next(before: after, of: cpu) {
        after = snapshot.number
        body(snapshot)
      }
    }
  }

  /// What is to be said of the running thread where nothing may be waited for; `nil` where there is none.
  package static var snapshotOfCurrent: ThreadSnapshot? {
    guard let thread = Processor.thread?.assumingMemoryBound(to: ThreadRecord.self),
      thread.pointee.memory != nil
    else { return nil }
    return ThreadSnapshot(thread)
  }

  /// The youngest thread of a CPU's list that is older than the one of number `limit`.
  private static func next(before limit: UInt64, of cpu: CPU) -> ThreadSnapshot? {
    let list = Scheduler.lists.pointer(for: cpu)
    return list.pointee.contents.withLock { list in
      var thread = list.first
      while let candidate = thread {
        if candidate.pointee.number < limit { return ThreadSnapshot(candidate) }
        thread = candidate.pointee.nextStarted
      }
      return nil
    }
  }
}
