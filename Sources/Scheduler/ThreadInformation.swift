import Locking
import Machine
import PerCPU

/// What there is to say of a thread at a moment.
public struct ThreadInformation: Sendable {
  /// What a thread does.
  public enum State: Sendable, CustomStringConvertible {
    /// It runs.
    case running
    /// It waits for a CPU.
    case ready
    /// It waits for something else, or is on its way from one CPU to another.
    case waiting
    /// It has ended, and nobody has joined it yet.
    case ended

    public var description: String {
      switch self {
      case .running: "running"
      case .ready: "ready"
      case .waiting: "waiting"
      case .ended: "ended"
      }
    }
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
  /// Nanoseconds that it has run up to now; 0 unless they are counted, see `Scheduler.startAccounting`.
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
  package fileprivate(set) var runTime: UInt64

  init(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    number = thread.pointee.number
    name = thread.pointee.name
    priority = thread.pointee.basePriority
    let place = thread.pointee.place.load(ordering: .relaxed)
    cpu = Place.cpu(of: place)
    let running = Scheduler.queues.pointer(for: cpu).pointee.running.load(ordering: .relaxed)
    let hasEnded = thread.pointee.ending.load(ordering: .relaxed) == Ending.ended
    state =
      running == RunQueue.word(thread)
      ? .running : place == Place.waits(on: cpu.index) ? .ready : hasEnded ? .ended : .waiting
    runTime = thread.pointee.runTime.load(ordering: .relaxed)
  }

  /// Counts for how long it has run since it went on last, if it still runs: its number tells, for its record
  /// may be gone by now.
  fileprivate mutating func addPresentStretch() {
    guard state == .running else { return }
    let queue = Scheduler.queues.pointer(for: cpu)
    // With the queue's lock the thread that runs there goes on running.
    let time: UInt64? = queue.pointee.waiting.withLockAndInterruptsDisabled { _ in
      let word = UInt(queue.pointee.running.load(ordering: .relaxed))
      guard let thread = UnsafeMutablePointer<ThreadRecord>(bitPattern: word),
        thread.pointee.number == number
      else { return nil }
      return thread.pointee.runTime.load(ordering: .relaxed) &+ queue.pointee.presentStretch
    }
    runTime = time ?? runTime
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
  /// those of another, the youngest first; while this looks at them others go on. Allocates. Not in
  /// interrupts.
  public static var all: [ThreadInformation] {
    var result: [ThreadInformation] = []
    for cpu in CPUSet.online {
      for var snapshot in snapshots(of: cpu) {
        snapshot.addPresentStretch()
        result.append(ThreadInformation(snapshot))
      }
    }
    return result
  }

  /// What is copied of a CPU's threads with the lock held: neither memory nor names are made there.
  private static func snapshots(of cpu: CPU) -> [ThreadSnapshot] {
    let list = Scheduler.lists.pointer(for: cpu)
    while true {
      // A few threads may come meanwhile.
      let room = list.pointee.contents.withLock { $0.count } + 16
      var isComplete = false
      let result = [ThreadSnapshot](unsafeUninitializedCapacity: room) { buffer, count in
        list.pointee.contents.withLock { list in
          isComplete = list.count <= room
          if !isComplete { return }
          list.visit { thread in
            buffer.initializeElement(at: count, to: ThreadSnapshot(thread))
            count += 1
          }
        }
      }
      if isComplete { return result }
    }
  }

  /// Calls `body` for all threads when all other CPUs have been stopped: without locks and memory.
  package static func visitAllWithoutLocks(_ body: (ThreadSnapshot) -> Void) {
    for cpu in CPUSet.online {
      Scheduler.lists.pointer(for: cpu).pointee.contents.stateWithoutLock.pointee.visit { thread in
        var snapshot = ThreadSnapshot(thread)
        if snapshot.state == .running {
          snapshot.runTime &+= Scheduler.queues.pointer(for: snapshot.cpu).pointee.presentStretch
        }
        body(snapshot)
      }
    }
  }

  /// What is to be said of the thread on a CPU that has been stopped; `nil` where it was idle.
  package static func snapshotWithoutLocks(of cpu: CPU) -> ThreadSnapshot? {
    let queue = Scheduler.queues.pointer(for: cpu)
    let word = UInt(queue.pointee.running.load(ordering: .relaxed))
    guard !queue.pointee.isIdle, let thread = UnsafeMutablePointer<ThreadRecord>(bitPattern: word)
    else { return nil }
    return ThreadSnapshot(thread)
  }

  /// What is to be said of the running thread where nothing may be waited for; `nil` where there is none.
  package static var snapshotOfCurrent: ThreadSnapshot? {
    guard let thread = Processor.thread?.assumingMemoryBound(to: ThreadRecord.self),
      thread.pointee.memory != nil
    else { return nil }
    return ThreadSnapshot(thread)
  }
}
