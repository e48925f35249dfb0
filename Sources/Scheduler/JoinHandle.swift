import Machine
import PerCPU

/// A thread that has a result for whoever joins it.
///
///     let sum = try Thread.spawn { () -> Int in numbers.reduce(0, +) }
///     …
///     print(sum.join() ?? 0)
public struct JoinHandle<Result>: ~Copyable {
  final class Box: @unchecked Sendable {
    // Written by the thread, read after it was joined.
    var result: Result?
  }

  /// The thread; not to be joined or detached by this name.
  public let thread: Thread
  private let box: Box

  fileprivate init(_ thread: Thread, _ box: Box) {
    self.thread = thread
    self.box = box
  }

  /// Waits until the thread has ended; returns its result, or `nil` if it was ended by `Thread.exit`. Not in
  /// interrupts.
  public consuming func join() -> Result? {
    thread.join()
    return box.result
  }
}

extension Thread {
  /// Starts a thread whose result is wanted; otherwise like the form without one. Allocates.
  public static func spawn<Result>(
    name: String = "", priority: Priority = .normal, affinity: CPUSet? = nil,
    stackSize: Int = defaultStackSize, _ body: @escaping @Sendable () -> sending Result
  ) throws(ThreadError) -> JoinHandle<Result> {
    let box = JoinHandle<Result>.Box()
    let thread = try spawn(
      name: name, priority: priority, affinity: affinity, stackSize: stackSize
    ) { () -> Void in
      box.result = body()
    }
    return JoinHandle(thread, box)
  }
}
