#if CHECKED
import CMachine
import Machine

/// What a checked image counts for one class of locks. Times are nanoseconds.
///
/// All CPUs add to the same row, so the counting itself makes a contended lock slower.
public struct LockStatistics: ~Copyable {
  /// Address of the name; 0 in a row that no class has. Rows are filled from the first on and stay.
  private let nameAddress: Atomic<UInt64>
  private let nameLength: Atomic<UInt64>
  private let rank: Atomic<UInt64>
  private let acquisitions: Atomic<UInt64>
  private let contentions: Atomic<UInt64>
  private let longestWait: Atomic<UInt64>
  private let totalWait: Atomic<UInt64>
  private let longestHold: Atomic<UInt64>
  private let totalHold: Atomic<UInt64>
  private let owner: Atomic<UInt64>

  /// The clock of the statistics; on the host, where nobody reads them, it stands still.
  @inline(__always)
  @usableFromInline
  static var now: UInt64 {
    #if hasFeature(Embedded)
    MonotonicClock.nanoseconds
    #else
    0
    #endif
  }

  private static let rowStride = 128

  private static func row(_ index: Int) -> UnsafePointer<LockStatistics> {
    (UnsafeRawPointer(apus_lock_statistics()) + index * rowStride)
      .assumingMemoryBound(to: LockStatistics.self)
  }

  /// The row of a class; `nil` when there are more classes than rows.
  private static func row(of lock: LockIdentity) -> UnsafePointer<LockStatistics>? {
    let address = UInt64(UInt(bitPattern: lock.name.utf8Start))
    for index in 0..<Int(APUS_LOCK_STATISTICS_ROWS) {
      let row = row(index)
      // A module may have a copy of its own of a class's name: then the class has two rows.
      let found = row.pointee.nameAddress.load(ordering: .acquiring)
      if found == address { return row }
      guard found == 0 else { continue }
      let result = row.pointee.nameAddress.compareExchange(
        expected: 0, desired: address, ordering: .acquiringAndReleasing)
      guard result.exchanged || result.original == address else { continue }
      row.pointee.nameLength.store(UInt64(lock.name.utf8CodeUnitCount), ordering: .relaxed)
      row.pointee.rank.store(UInt64(lock.rank), ordering: .relaxed)
      return row
    }
    return nil
  }

  /// Counts a lock as taken by this CPU, after it has waited for `wait` if it had to. Not on the host,
  /// where nobody reads it and explored schedules must not depend on what ran before.
  static func count(_ lock: LockIdentity, wait: UInt64?) {
    #if hasFeature(Embedded)
    countInImage(lock, wait: wait)
    #endif
  }

  private static func countInImage(_ lock: LockIdentity, wait: UInt64?) {
    guard let row = row(of: lock) else { return }
    row.pointee.acquisitions.wrappingAdd(1, ordering: .relaxed)
    row.pointee.owner.store(UInt64(Processor.index), ordering: .relaxed)
    guard let wait else { return }
    row.pointee.contentions.wrappingAdd(1, ordering: .relaxed)
    row.pointee.totalWait.wrappingAdd(wait, ordering: .relaxed)
    raise(row.pointee.longestWait, to: wait)
  }

  /// Counts the time for which a lock was held.
  static func count(_ lock: LockIdentity, hold: UInt64) {
    #if hasFeature(Embedded)
    guard let row = row(of: lock) else { return }
    row.pointee.totalHold.wrappingAdd(hold, ordering: .relaxed)
    raise(row.pointee.longestHold, to: hold)
    #endif
  }

  private static func raise(_ longest: borrowing Atomic<UInt64>, to time: UInt64) {
    var seen = longest.load(ordering: .relaxed)
    while time > seen {
      let result = longest.compareExchange(expected: seen, desired: time, ordering: .relaxed)
      if result.exchanged { return }
      seen = result.original
      Processor.pause()
    }
  }

  /// The figures of one class at one time.
  public struct Figures {
    /// The class's name.
    public var name: UnsafeRawBufferPointer
    /// The class's level, then how often its locks were taken, and after a wait; longest and total
    /// wait, longest and total hold in nanoseconds; the CPU that took one last.
    public var values: InlineArray<8, UInt64>
  }

  /// Calls `body` for each class of which a lock was taken. Any context.
  public static func report(_ body: (Figures) -> Void) {
    for index in 0..<Int(APUS_LOCK_STATISTICS_ROWS) {
      let row = row(index)
      guard
        let name = UnsafeRawPointer(
          bitPattern: UInt(row.pointee.nameAddress.load(ordering: .acquiring)))
      else { return }
      body(
        Figures(
          name: UnsafeRawBufferPointer(
            start: name, count: Int(row.pointee.nameLength.load(ordering: .relaxed))),
          values: [
            row.pointee.rank.load(ordering: .relaxed),
            row.pointee.acquisitions.load(ordering: .relaxed),
            row.pointee.contentions.load(ordering: .relaxed),
            row.pointee.longestWait.load(ordering: .relaxed),
            row.pointee.totalWait.load(ordering: .relaxed),
            row.pointee.longestHold.load(ordering: .relaxed),
            row.pointee.totalHold.load(ordering: .relaxed),
            row.pointee.owner.load(ordering: .relaxed),
          ]))
    }
  }
}
#endif
