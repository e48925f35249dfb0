import Locking
import Machine
import PerCPU

/// The threads that one CPU has started and that are not gone yet.
///
/// A list per CPU, so that CPUs that start threads do not meet.
struct ThreadList: ~Copyable {
  enum ListLock: LockClass {
    typealias Context = ThreadOnly
    // Below all that interrupts take, which come while it is held.
    typealias Level = OutputLevel
    static var name: StaticString { "thread list" }
  }

  struct Contents {
    var first: UnsafeMutablePointer<ThreadRecord>?
    var count = 0
    /// How many were started here.
    var started: UInt64 = 0

    /// Calls `body` for each thread, the youngest first.
    func visit(_ body: (UnsafeMutablePointer<ThreadRecord>) -> Void) {
      var next = first
      while let thread = next {
        body(thread)
        next = thread.pointee.nextStarted
      }
    }
  }

  let contents = SpinLock<ListLock, Contents>(Contents())

  /// Puts in a new thread, on the CPU that starts it, and numbers it.
  static func insert(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    Processor.withPreemptionDisabled {
      let cpu = Processor.index
      thread.pointee.starter = cpu
      Scheduler.lists.current.pointee.contents.withLock { list in
        // No number is given twice, and the first thread of CPU 0, which runs `main`, is number 1.
        thread.pointee.number = list.started &* UInt64(CPU.maximumCount) &+ UInt64(cpu) &+ 1
        list.started &+= 1
        list.count += 1
        thread.pointee.nextStarted = list.first
        list.first?.pointee.previousStarted = thread
        list.first = thread
      }
    }
  }

  /// Takes out a thread before its record goes.
  static func remove(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    let list = Scheduler.lists.pointer(for: CPU(index: thread.pointee.starter))
    list.pointee.contents.withLock { list in
      let next = thread.pointee.nextStarted
      let previous = thread.pointee.previousStarted
      next?.pointee.previousStarted = previous
      if let previous { previous.pointee.nextStarted = next } else { list.first = next }
      list.count -= 1
    }
  }
}
