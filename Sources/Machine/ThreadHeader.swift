/// The beginning of what the scheduler knows of a thread, which modules below it use too:
/// `Processor.thread` is where the running thread has it.
public struct ThreadHeader {
  /// Where the thread's stack was left.
  public var stack = SuspendedStack()
  /// The line that the thread is composing, of the module `Console`; its own.
  public var line: UnsafeMutableRawPointer?

  /// That of a thread that has not run yet.
  public init() {}

  /// The running thread's; `nil` before there is a scheduler. Any context.
  @inline(__always)
  public static var current: UnsafeMutablePointer<ThreadHeader>? {
    Processor.thread?.assumingMemoryBound(to: ThreadHeader.self)
  }
}
