/// What may happen next in a simulated machine: a CPU does the operation that it is about to do, or
/// takes an interrupt before it.
struct Action: Equatable {
  var cpu: UInt8
  var isInterrupt: Bool
}
