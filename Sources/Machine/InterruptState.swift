extension Processor {
  /// Runs `body` with interrupts off on this CPU and restores their state after it.
  @inline(__always)
  public static func withInterruptsDisabled<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let wereEnabled = interruptsAreEnabled
    disableInterrupts()
    defer { if wereEnabled { enableInterrupts() } }
    return try body()
  }
}
