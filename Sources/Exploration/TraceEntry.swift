import Machine

/// One step of a run that is recorded.
struct TraceEntry {
  enum Event {
    case operation(SimulatedOperation, address: UInt64, byteCount: UInt8)
    case interrupt(UInt8)
    case endOfInterrupt
    case end
  }

  let cpu: Int
  let depth: Int
  let event: Event
  /// What was there before the operation, if it touches memory.
  var before: UInt64 = 0
  /// What was there after it, if it may write.
  var after: UInt64?
  /// Return addresses, nearest first.
  var callers: [UInt] = []
}
