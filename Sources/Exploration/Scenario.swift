/// A small program for a few simulated CPUs, to be run in many orders.
///
///     Scenario("SpinLock/exclusion") { machine in
///       let shared = Shared()                                    // fresh for each schedule
///       for _ in 0..<2 { machine.cpu { shared.lock.withLock { $0 += 1 } } }
///       machine.atEnd { machine.check(shared.count == 2, "an update is lost") }
///     }
///
/// Whatever the CPUs do may depend only on what they read: not on time, addresses, or the order of a
/// `Set`.
public struct Scenario: Sendable {
  /// What it is called, `Subject/property`.
  public let name: String
  /// Operations after which a run counts as endless.
  public var stepLimit = 20_000
  /// How many times in a row each CPU may find, after a pause, that nothing was written, before all
  /// count as stuck. More than any bounded spin takes.
  public var patience = 200

  /// Whether other CPUs may run after an operation that may write, too, and not only before the next
  /// one: that finds what a CPU still does to ordinary memory after it gave it away.
  public var hasPointsAfterWrites = true

  let prepare: @Sendable (Simulation) -> Void

  /// `prepare` makes the objects and says what each CPU does; it is called anew for each schedule.
  public init(_ name: String, _ prepare: @escaping @Sendable (Simulation) -> Void) {
    self.name = name
    self.prepare = prepare
  }
}
