extension Processor {
  /// Runs `body` without the thread being preempted or moved to another CPU. For what is one CPU's
  /// own and no interrupt handler's; nothing in `body` may sleep. Two instructions.
  @inline(__always)
  public static func withPreemptionDisabled<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    disablePreemption()
    defer { enablePreemption() }
    return try body()
  }
}
