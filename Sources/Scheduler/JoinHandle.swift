import Machine
import PerCPU

/// A thread that has a result for whoever joins it.
///
///     let sum = try Thread.spawn { () -> Int in numbers.reduce(0, +) }
///     …
///     print(sum.join() ?? 0)
///
/// A handle that goes without having been joined lets the thread run on by itself, as after `detach`.
public final class JoinHandle<Result>: Sendable {
  final class Box: @unchecked Sendable {
    // Written by the thread, read after it was joined.
    var result: Result?
  }

  /// The thread, as long as it has not been joined; not to be joined or detached by this name.
  public let thread: Thread
  private let box: Box
  private let isJoined = Atomic<UInt8>(0)

  fileprivate init(_ thread: Thread, _ box: Box) {
    self.thread = thread
    self.box = box
  }

  deinit {
    if isJoined.load(ordering: .relaxed) == 0 { thread.detach() }
  }

  /// Waits until the thread has ended; returns its result, or `nil` if it was ended by `Thread.exit`. Once.
  /// Not in interrupts.
  public func join() -> Result? {
    precondition(isJoined.exchange(1, ordering: .relaxed) == 0, "a thread is joined twice")
    thread.join()
    return box.result.take()
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
