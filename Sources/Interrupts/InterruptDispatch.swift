import CMachine
import Console
import Machine
import Tracing

/// What each of the kernel's own interrupts means. Interrupts are off.
@c(apus_handle_interrupt)
public func handleInterrupt(_ vector: UInt64) {
  let start = Trace.begin()
  dispatch(vector)
  Trace.record(.interrupt, since: start, vector)
}

// Apart from the tracing, and by a name of its own: isrcheck follows what the handlers keep in registers, and
// the policy says what is called here.
@_silgen_name("apus_dispatch_interrupt")
@inline(never)
private func dispatch(_ vector: UInt64) {
  switch InterruptVector(rawValue: UInt8(truncatingIfNeeded: vector)) {
  case .urgent: apus_answer_urgent_calls()
  case .crossCall: Processor.preservingVectorState { CrossCall.handleAll() }
  case .timer: apus_handle_timer()
  // It also ends a halt: whoever halted looks again at what it waits for.
  case .wake: apus_handle_wake()
  case .spurious: break
  case nil: apus_dispatch_device(vector)
  }
}

/// What interrupts of devices lead to, so that an image in which nobody registers a handler has none of it.
private let deviceDispatch = Atomic<UInt64>(0)

/// Says what is called for interrupts of devices from now on. By its name, for isrcheck.
@c(apus_set_device_dispatch)
@inline(never)
public func setDeviceDispatch(_ function: @escaping @convention(c) (UInt64) -> Void) {
  deviceDispatch.store(
    UInt64(UInt(bitPattern: unsafeBitCast(function, to: Int.self))), ordering: .releasing)
}

@c(apus_dispatch_device)
@inline(never)
public func dispatchDevice(_ vector: UInt64) {
  let function = deviceDispatch.load(ordering: .acquiring)
  guard function != 0 else {
    Log.warning("interrupt \(vector) came, which nobody asked for")
    return
  }
  unsafeBitCast(UInt(function), to: (@convention(c) (UInt64) -> Void).self)(vector)
}
