import Locking
import Machine
import PerCPU
import Tracing

/// What a CPU has done since the start.
public struct CPUStatistics: Sendable {
  /// Nanoseconds that it ran threads, and that it had none; 0 unless they are counted.
  public var busyTime: UInt64 = 0
  public var idleTime: UInt64 = 0
  /// Threads that it went on with, and how many of them because another one had to give way.
  public var switches: UInt64 = 0
  public var preemptions: UInt64 = 0
  /// Threads that it took from other CPUs' queues.
  public var pulls: UInt64 = 0
  /// Threads that were started on it.
  public var started: UInt64 = 0
  /// Interrupts that it sent so that another CPU looks for threads.
  public var wakeInterrupts: UInt64 = 0
  /// How often it saw another CPU idle, for as long as a slice, while a thread waited here that may run there:
  /// a bug of the scheduler's.
  public var idleWhileRunnable: UInt64 = 0
  /// Timers that went off, sleeps and deadlines of waits among them; by how many nanoseconds they were late in all;
  /// and by how many the latest.
  public var timers: UInt64 = 0
  public var timerLateness: UInt64 = 0
  public var greatestTimerLateness: UInt64 = 0
}

extension Scheduler {
  /// Counts from now on how long threads run and CPUs idle, and lets switches be traced. On the boot CPU,
  /// before others run.
  public static func startAccounting(count: Int) {
    for index in 0..<count {
      let queue = queues.pointer(for: CPU(index: index))
      queue.pointee.isObserved = true
      queue.pointee.since = MonotonicClock.nanoseconds
    }
  }

  /// What a CPU has done. While the CPU goes on the figures may not belong together. Not in interrupts.
  public static func statistics(of cpu: CPU) -> CPUStatistics {
    let started = lists.pointer(for: cpu).pointee.contents.withLock { $0.started }
    let timers = Timers.queues.pointer(for: cpu)
    let accuracy = timers.pointee.heap.withLockAndInterruptsDisabled { _ in
      timers.pointee.accuracy
    }
    // With the queue's lock times are not written.
    return queues.pointer(for: cpu).pointee.waiting.withLockAndInterruptsDisabled { _ in
      statistics(of: cpu, started: started, accuracy)
    }
  }

  /// The same when all other CPUs have been stopped: without locks.
  package static func statisticsWithoutLocks(of cpu: CPU) -> CPUStatistics {
    statistics(
      of: cpu, started: lists.pointer(for: cpu).pointee.contents.stateWithoutLock.pointee.started,
      Timers.queues.pointer(for: cpu).pointee.accuracy)
  }

  @inline(never)
  private static func statistics(
    of cpu: CPU, started: UInt64, _ accuracy: TimerAccuracy
  ) -> CPUStatistics {
    let queue = queues.pointer(for: cpu)
    var result = CPUStatistics()
    result.started = started
    result.switches = queue.pointee.switches
    result.preemptions = queue.pointee.preemptions
    result.pulls = queue.pointee.pulls
    result.wakeInterrupts = queue.pointee.wakeInterrupts
    result.idleWhileRunnable = queue.pointee.idleWhileRunnable
    result.timers = accuracy.fired
    result.timerLateness = accuracy.lateness
    result.greatestTimerLateness = accuracy.greatestLateness
    if queue.pointee.isObserved {
      result.busyTime = queue.pointee.busyTime
      result.idleTime = queue.pointee.idle.pointee.runTime.load(ordering: .relaxed)
      let rest = queue.pointee.presentStretch
      if queue.pointee.isIdle { result.idleTime &+= rest } else { result.busyTime &+= rest }
    }
    return result
  }
}

extension RunQueue {
  /// For how long the running thread, or the idle loop, has run since it went on, where times are counted. With the
  /// lock held, or when the CPU has been stopped.
  var presentStretch: UInt64 {
    // The clocks of two CPUs need not agree to the nanosecond.
    let now = MonotonicClock.nanoseconds
    return isObserved ? now &- Swift.min(since, now) : 0
  }
}

enum Accounting {
  /// A thread gives way to another, on a CPU that is observed. Its run queue's lock is held.
  @inline(never)
  static func willSwitch(
    to next: UnsafeMutablePointer<ThreadRecord>, from thread: UnsafeMutablePointer<ThreadRecord>,
    _ own: UnsafeMutablePointer<RunQueue>
  ) {
    Trace.record(.switch, next.pointee.number)
    let now = MonotonicClock.nanoseconds
    let passed = now &- own.pointee.since
    own.pointee.since = now
    // Only the CPU that runs a thread writes this.
    let before = thread.pointee.runTime.load(ordering: .relaxed)
    thread.pointee.runTime.store(before &+ passed, ordering: .relaxed)
    if thread != own.pointee.idle { own.pointee.busyTime &+= passed }
  }

  /// At the end of a slice, while threads wait here: whether another CPU idles as it did when the last slice
  /// ended, and may run the first of them. The queue's lock is held.
  static func lookForIdle(
    _ own: UnsafeMutablePointer<RunQueue>, _ waiting: UnsafeMutablePointer<WaitingThreads>
  ) {
    var idle: UInt64 = 0
    waiting.pointee.visit { thread in
      idle = thread.pointee.affinity.load(ordering: .relaxed) & IdleCPUs.all
      return false
    }
    // A CPU that has just turned idle is about to look.
    let isSame = own.pointee.switchesAtSlice == own.pointee.switches
    if isSame && idle & own.pointee.idleAtSlice != 0 { own.pointee.idleWhileRunnable &+= 1 }
    own.pointee.idleAtSlice = idle
  }
}
