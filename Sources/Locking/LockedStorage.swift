import Builtin

/// Room for one value at a fixed address, which a lock guards.
///
/// A plain stored property would not do: the compiler may assume that a property of a `let` never
/// changes. The raw layout takes that assumption away, and is still filled in at compile time.
@_rawLayout(like: Value, movesAsLike)
@usableFromInline
package struct LockedStorage<Value: ~Copyable>: ~Copyable {
  /// Where the value is. Only the holder of the lock may follow this.
  @usableFromInline @_transparent
  package var address: UnsafeMutablePointer<Value> {
    UnsafeMutablePointer(Builtin.addressOfRawLayout(self))
  }

  @usableFromInline @_transparent
  package init(_ value: consuming Value) {
    address.initialize(to: value)
  }

  deinit {
    address.deinitialize(count: 1)
  }
}
