/// What the body of a `withLock` knows of the locks that it is inside of: none is above `Highest`,
/// and with `InterruptSafe` interrupts are off.
///
/// A lock of the next level above may be taken with it (`withLock(inside:)`); for one that is further
/// up it is weakened step by step: `held.weakened.weakened`. There is no way down, so the wrong order
/// does not compile. Nor does it to take a thread-only lock inside an interrupt-safe one, whose
/// holder may be an interrupt handler. Costs nothing.
public struct HeldLevels<Highest: LockLevel, Context: LockContext>: ~Copyable {
  @inline(__always)
  @usableFromInline
  init() {}

  /// What holds for a level holds for the next one above it.
  @inline(__always)
  public var weakened: HeldLevels<Highest.Above, Context> {
    HeldLevels<Highest.Above, Context>()
  }
}
