import Synchronization

/// A value that is set while one CPU alone runs, and never changes once others do.
///
/// Every CPU may read it at any time for a load; there is nothing to synchronise, since whatever
/// started a CPU ordered the write before it. Unlike an `Atomic` it is no point for an explorer of
/// schedules: it reads the same in all of them.
public struct BootConstant<Value: AtomicRepresentable>: ~Copyable
where Value.AtomicRepresentation == UInt64.AtomicRepresentation {
  @usableFromInline let storage: Synchronization.Atomic<Value>

  /// What it is until it is set.
  @_transparent
  public init(_ value: consuming Value) {
    storage = Synchronization.Atomic(value)
  }

  /// The value. One load.
  @_transparent @_alwaysEmitIntoClient
  public var value: Value { storage.load(ordering: .relaxed) }

  /// Sets the value. On the boot CPU, before others use what it is for.
  @_transparent @_alwaysEmitIntoClient
  public func set(_ value: consuming Value) { storage.store(value, ordering: .releasing) }
}

// Sound because every access is an atomic operation on the storage.
extension BootConstant: @unchecked Sendable where Value: Sendable {}
