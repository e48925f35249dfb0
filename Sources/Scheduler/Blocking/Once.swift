import Machine

/// Something that is done once, by the first thread that comes; others wait until it is done.
public struct Once: ~Copyable, Sendable {
  private let progress = Atomic<UInt32>(Once.notBegun)
  private let queue = WaitQueue<UInt8>(0)

  private static let notBegun: UInt32 = 0
  private static let isRunning: UInt32 = 1
  private static let isDone: UInt32 = 2

  /// What has not been done yet.
  @_transparent
  public init() {}

  /// Whether it has been done. Any context.
  @inline(__always)
  public borrowing func isDone() -> Bool { progress.load(ordering: .acquiring) == Self.isDone }

  /// Runs `body` unless it was done, and returns when it is: what `body` wrote is seen. If it throws, the
  /// next thread tries. Not in interrupts; `body` may sleep, and must not call this again. Afterwards a
  /// load and a comparison.
  @inline(__always)
  public borrowing func run<Failure: Error>(
    _ body: () throws(Failure) -> Void
  ) throws(Failure) {
    // Acquire pairs with the release in `end`.
    if progress.load(ordering: .acquiring) == Self.isDone { return }
    try runOrWait(body)
  }

  @inline(never)
  private borrowing func runOrWait<Failure: Error>(
    _ body: () throws(Failure) -> Void
  ) throws(Failure) {
    while true {
      let found = progress.compareExchange(
        expected: Self.notBegun, desired: Self.isRunning, ordering: .acquiring)
      if found.exchanged { break }
      if found.original == Self.isDone { return }
      // `end` changes the progress before it looks for threads in the queue.
      queue.waitInTurn(unless: { _ in progress.load(ordering: .acquiring) != Self.isRunning })
    }
    do throws(Failure) {
      try body()
    } catch {
      end(Self.notBegun)
      throw error
    }
    end(Self.isDone)
  }

  private borrowing func end(_ result: UInt32) {
    progress.store(result, ordering: .releasing)
    queue.wakeAll()
  }
}
