/// The proof that a device's handler is what runs, with interrupts off on this CPU: what a handler may do
/// to others asks for it. It cannot be kept, sent, or made elsewhere. Costs nothing.
public struct InterruptContext: ~Copyable, ~Escapable {
  @inline(__always)
  @_lifetime(immortal)
  init() {}

  /// For the code that calls handlers.
  @inline(__always)
  public static func assumed<Result: ~Copyable>(
    _ body: (borrowing InterruptContext) -> Result
  ) -> Result {
    #if CHECKED
    precondition(!Processor.interruptsAreEnabled, "interrupts are on where they are assumed off")
    #endif
    return body(InterruptContext())
  }

  /// Lends the proof that interrupts are off.
  @inline(__always)
  public func withInterruptsDisabledProof<Result: ~Copyable>(
    _ body: (borrowing InterruptsDisabled) -> Result
  ) -> Result { body(InterruptsDisabled()) }
}
