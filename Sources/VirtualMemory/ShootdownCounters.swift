import Machine

/// What one CPU has counted of the shootdowns of an address space.
public struct ShootdownCounts: Equatable, Sendable {
  /// How often it has told another CPU.
  public var sent = 0
  /// How often it did not have to tell another CPU that runs.
  public var avoided = 0
  /// Pages that it has forgotten one by one, for itself or because another CPU told it.
  public var pages = 0
  /// How often it has forgotten everything, because there were too many pages.
  public var fullFlushes = 0
}

/// The counters of one CPU, which others read: each is written by its own CPU, at one place that does
/// not interrupt itself.
struct ShootdownCounters: ~Copyable {
  let sent = Atomic<Int>(0)
  let avoided = Atomic<Int>(0)
  let pages = Atomic<Int>(0)
  let fullFlushes = Atomic<Int>(0)

  /// What is counted up to now.
  var values: ShootdownCounts {
    ShootdownCounts(
      sent: sent.load(ordering: .relaxed), avoided: avoided.load(ordering: .relaxed),
      pages: pages.load(ordering: .relaxed), fullFlushes: fullFlushes.load(ordering: .relaxed))
  }
}

extension Atomic where Value == Int {
  /// Adds to a counter that only this CPU writes.
  @inline(__always)
  func count(_ number: Int) {
    store(load(ordering: .relaxed) &+ number, ordering: .relaxed)
  }
}
