import CExploration
import CMachine
import Machine

/// The record of a run.
extension Execution {
  @inline(__always)
  func record(_ event: @autoclosure () -> TraceEntry.Event) {
    if isTracing { appendToTrace(event()) }
  }

  @inline(never)
  func appendToTrace(_ event: TraceEntry.Event) {
    var entry = TraceEntry(
      cpu: current, depth: Int(apus_simulated_processor().pointee.interrupt_depth), event: event)
    if case .operation(_, let address, let size) = event {
      if size > 0 { entry.before = Self.value(at: address, size: size) }
      var addresses = [UnsafeMutableRawPointer?](repeating: nil, count: 16)
      let count = Int(apus_callers(&addresses, 16))
      entry.callers = addresses.prefix(count).map { UInt(bitPattern: $0) }
    }
    trace.append(entry)
  }

  static func value(at address: UInt64, size: UInt8) -> UInt64 {
    guard let pointer = UnsafeRawPointer(bitPattern: UInt(address)) else { return 0 }
    return switch size {
    case 1: UInt64(pointer.load(as: UInt8.self))
    case 2: UInt64(pointer.load(as: UInt16.self))
    case 4: UInt64(pointer.load(as: UInt32.self))
    case 8: pointer.load(as: UInt64.self)
    default: 0
    }
  }
}
