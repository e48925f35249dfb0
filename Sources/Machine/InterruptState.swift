/// The proof that interrupts are off on this CPU, for as long as it is borrowed: what demands it
/// cannot be called elsewhere. Costs nothing.
public struct InterruptsDisabled: ~Copyable {
  @inline(__always)
  init() {}

  /// For code that knows by other means that interrupts are off: the entry of a handler. Checked
  /// builds trap where they are on.
  @inline(__always)
  public static func assumed<Result: ~Copyable, Failure: Error>(
    _ body: (borrowing InterruptsDisabled) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    #if CHECKED
    precondition(!Processor.interruptsAreEnabled, "interrupts are on where they are assumed off")
    #endif
    return try body(InterruptsDisabled())
  }
}

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

  /// The same, and lends `body` the proof of it.
  @inline(__always)
  public static func withInterruptsDisabledProof<Result: ~Copyable, Failure: Error>(
    _ body: (borrowing InterruptsDisabled) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let wereEnabled = interruptsAreEnabled
    disableInterrupts()
    defer { if wereEnabled { enableInterrupts() } }
    return try body(InterruptsDisabled())
  }
}
