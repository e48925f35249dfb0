/// What a CPU is about to do that other CPUs may see, or that may see them: on the host an explorer
/// of schedules is told before each, and may let another CPU run or an interrupt in first.
@frozen
public enum SimulatedOperation: UInt8, Sendable {
  case load, store, exchange, compareExchange, add, subtract
  case fence, pause
  case disableInterrupts, enableInterrupts, waitForInterrupt
  case sendInterrupt
  /// A byte goes out.
  case output
  case forgetTranslation, forgetAllTranslations
  /// An access to virtual memory begins; then the memory management unit reads and marks table
  /// entries, and does what it was asked. No interrupt comes within.
  case read, write, walk, access
  case or, and
}

extension Atomic {
  /// Tells an explorer of an operation on this value. Nothing at all in the image.
  @_transparent @_alwaysEmitIntoClient
  func willPerform(_ operation: SimulatedOperation) {
    #if !hasFeature(Embedded)
    if isExplored {
      explore(
        operation, at: UInt64(UInt(bitPattern: address)),
        byteCount: MemoryLayout<Value.AtomicRepresentation>.size)
    }
    #endif
  }

  /// Tells an explorer that the operation has been done, so that it sees what was written.
  @_transparent @_alwaysEmitIntoClient
  func didWrite() {
    #if !hasFeature(Embedded)
    if isExplored { exploreWritten() }
    #endif
  }
}
