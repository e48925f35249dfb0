import Machine

/// A function that runs in an interrupt at a moment, once or again and again.
///
/// For threads that wait for a moment there is `Thread.sleep`; with a timer one tells a thread, by
/// `Semaphore.signal`, or counts. It goes off on the CPU on which it was started.
public struct Timer: ~Copyable {
  @usableFromInline let node: UnsafeMutablePointer<TimerNode>

  /// A timer that is not started. Allocates.
  public init() {
    node = .allocate(capacity: 1)
    node.initialize(to: TimerNode())
  }

  /// Lets `function(context)` run at `deadline` (nanoseconds of `MonotonicClock`) in an interrupt of this CPU, and
  /// with a `period` (nanoseconds; 0 for once) again and again; a turn that comes too late is left out. In
  /// place of what was asked for before. The function may not allocate, wait, or take plain locks, which
  /// `apus build` proves, nor start or cancel a timer. In threads, by one at a time.
  ///
  /// A part of its caller, so that the image shows which function is handed over.
  @_transparent
  @_alwaysEmitIntoClient
  public borrowing func start(
    at deadline: UInt64, every period: UInt64 = 0,
    _ function: @escaping @convention(c) (_ context: UnsafeMutableRawPointer) -> Void,
    context: UnsafeMutableRawPointer
  ) {
    cancel()
    setTimer(function, context, node, at: deadline, every: period)
  }

  /// Takes the wish back; returns whether the function would still have run. It does not run when this
  /// returns. In threads, on any CPU, by one at a time.
  @discardableResult
  public borrowing func cancel() -> Bool { Timers.cancel(node) }

  deinit {
    Timers.cancel(node)
    node.deinitialize(count: 1)
    node.deallocate()
  }
}
