import Builtin
import Synchronization

// Orderings and the protocol of atomic values, but not the type `Atomic`: that is this module's.
@_exported import struct Synchronization.AtomicLoadOrdering
@_exported import protocol Synchronization.AtomicRepresentable
@_exported import struct Synchronization.AtomicStoreOrdering
@_exported import struct Synchronization.AtomicUpdateOrdering

/// A value that several CPUs may read and change at once.
///
/// The one door to atomic operations: everything above `Machine` uses this type and never
/// `Synchronization.Atomic`, so that on the host a scheduler of simulated CPUs can see every
/// operation. Orderings are those of the C++ memory model and must be constants.
public struct Atomic<Value: AtomicRepresentable>: ~Copyable {
  @usableFromInline let storage: Synchronization.Atomic<Value>

  /// Creates an atomic value; nobody else may see it before this returns.
  @_transparent
  public init(_ value: consuming Value) {
    storage = Synchronization.Atomic(value)
  }

  #if !hasFeature(Embedded)
  /// Where the value is, by which an explorer knows it.
  @usableFromInline @_transparent
  var address: UnsafeRawPointer { UnsafeRawPointer(Builtin.addressOfRawLayout(storage)) }
  #endif
}

// Sound because every access is an atomic operation on the storage.
extension Atomic: @unchecked Sendable where Value: Sendable {}

extension Atomic where Value.AtomicRepresentation == UInt8.AtomicRepresentation {
  /// Reads the value.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  public func load(ordering: AtomicLoadOrdering) -> Value {
    willPerform(.load)
    return storage.load(ordering: ordering)
  }

  /// Replaces the value.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  public func store(_ value: consuming Value, ordering: AtomicStoreOrdering) {
    willPerform(.store)
    storage.store(value, ordering: ordering)
    didWrite()
  }

  /// Replaces the value and returns the one before.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  public func exchange(_ value: consuming Value, ordering: AtomicUpdateOrdering) -> Value {
    willPerform(.exchange)
    defer { didWrite() }
    return storage.exchange(value, ordering: ordering)
  }

  /// Replaces the value if it equals `expected`; `original` is what was found either way.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  public func compareExchange(
    expected: consuming Value, desired: consuming Value, ordering: AtomicUpdateOrdering
  ) -> (exchanged: Bool, original: Value) {
    willPerform(.compareExchange)
    defer { didWrite() }
    return storage.compareExchange(expected: expected, desired: desired, ordering: ordering)
  }
}

extension Atomic where Value.AtomicRepresentation == UInt32.AtomicRepresentation {
  /// Reads the value.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  public func load(ordering: AtomicLoadOrdering) -> Value {
    willPerform(.load)
    return storage.load(ordering: ordering)
  }

  /// Replaces the value.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  public func store(_ value: consuming Value, ordering: AtomicStoreOrdering) {
    willPerform(.store)
    storage.store(value, ordering: ordering)
    didWrite()
  }

  /// Replaces the value and returns the one before.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  public func exchange(_ value: consuming Value, ordering: AtomicUpdateOrdering) -> Value {
    willPerform(.exchange)
    defer { didWrite() }
    return storage.exchange(value, ordering: ordering)
  }

  /// Replaces the value if it equals `expected`; `original` is what was found either way.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  public func compareExchange(
    expected: consuming Value, desired: consuming Value, ordering: AtomicUpdateOrdering
  ) -> (exchanged: Bool, original: Value) {
    willPerform(.compareExchange)
    defer { didWrite() }
    return storage.compareExchange(expected: expected, desired: desired, ordering: ordering)
  }
}

extension Atomic where Value.AtomicRepresentation == UInt64.AtomicRepresentation {
  /// Reads the value.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  public func load(ordering: AtomicLoadOrdering) -> Value {
    willPerform(.load)
    return storage.load(ordering: ordering)
  }

  /// Replaces the value.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  public func store(_ value: consuming Value, ordering: AtomicStoreOrdering) {
    willPerform(.store)
    storage.store(value, ordering: ordering)
    didWrite()
  }

  /// Replaces the value and returns the one before.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  public func exchange(_ value: consuming Value, ordering: AtomicUpdateOrdering) -> Value {
    willPerform(.exchange)
    defer { didWrite() }
    return storage.exchange(value, ordering: ordering)
  }

  /// Replaces the value if it equals `expected`; `original` is what was found either way.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  public func compareExchange(
    expected: consuming Value, desired: consuming Value, ordering: AtomicUpdateOrdering
  ) -> (exchanged: Bool, original: Value) {
    willPerform(.compareExchange)
    defer { didWrite() }
    return storage.compareExchange(expected: expected, desired: desired, ordering: ordering)
  }
}

extension Atomic where Value == Int {
  /// Adds with wrap-around and returns both values.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  @discardableResult
  public func wrappingAdd(
    _ operand: Value, ordering: AtomicUpdateOrdering
  ) -> (oldValue: Value, newValue: Value) {
    willPerform(.add)
    defer { didWrite() }
    return storage.wrappingAdd(operand, ordering: ordering)
  }

  /// Subtracts with wrap-around and returns both values.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  @discardableResult
  public func wrappingSubtract(
    _ operand: Value, ordering: AtomicUpdateOrdering
  ) -> (oldValue: Value, newValue: Value) {
    willPerform(.subtract)
    defer { didWrite() }
    return storage.wrappingSubtract(operand, ordering: ordering)
  }
}

extension Atomic where Value == UInt32 {
  /// Adds with wrap-around and returns both values.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  @discardableResult
  public func wrappingAdd(
    _ operand: Value, ordering: AtomicUpdateOrdering
  ) -> (oldValue: Value, newValue: Value) {
    willPerform(.add)
    defer { didWrite() }
    return storage.wrappingAdd(operand, ordering: ordering)
  }

  /// Subtracts with wrap-around and returns both values.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  @discardableResult
  public func wrappingSubtract(
    _ operand: Value, ordering: AtomicUpdateOrdering
  ) -> (oldValue: Value, newValue: Value) {
    willPerform(.subtract)
    defer { didWrite() }
    return storage.wrappingSubtract(operand, ordering: ordering)
  }
}

extension Atomic where Value == UInt64 {
  /// Adds with wrap-around and returns both values.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  @discardableResult
  public func wrappingAdd(
    _ operand: Value, ordering: AtomicUpdateOrdering
  ) -> (oldValue: Value, newValue: Value) {
    willPerform(.add)
    defer { didWrite() }
    return storage.wrappingAdd(operand, ordering: ordering)
  }

  /// Subtracts with wrap-around and returns both values.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  @discardableResult
  public func wrappingSubtract(
    _ operand: Value, ordering: AtomicUpdateOrdering
  ) -> (oldValue: Value, newValue: Value) {
    willPerform(.subtract)
    defer { didWrite() }
    return storage.wrappingSubtract(operand, ordering: ordering)
  }

  /// Sets the bits that are set in `operand` and returns both values.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  @discardableResult
  public func bitwiseOr(
    _ operand: Value, ordering: AtomicUpdateOrdering
  ) -> (oldValue: Value, newValue: Value) {
    willPerform(.or)
    defer { didWrite() }
    return storage.bitwiseOr(operand, ordering: ordering)
  }

  /// Clears the bits that are not set in `operand` and returns both values.
  @_semantics("atomics.requires_constant_orderings") @_transparent @_alwaysEmitIntoClient
  @discardableResult
  public func bitwiseAnd(
    _ operand: Value, ordering: AtomicUpdateOrdering
  ) -> (oldValue: Value, newValue: Value) {
    willPerform(.and)
    defer { didWrite() }
    return storage.bitwiseAnd(operand, ordering: ordering)
  }
}
