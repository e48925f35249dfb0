/// What a lock's type says about it: who takes it where, and in which order.
///
/// A class of locks is an enumeration without cases, beside the state that the lock guards:
///
///     enum FreeListsLock: LockClass {
///       typealias Context = ThreadOnly
///       typealias Level = HeapLevel
///       static var name: StaticString { "heap" }
///     }
///
/// Which level and which context to choose is the subject of `Documentation/Locking.md`.
public protocol LockClass {
  /// Where locks of the class may be taken: `ThreadOnly` or `InterruptSafe`.
  associatedtype Context: LockContext
  /// The place of the class in the order in which locks are taken.
  associatedtype Level: LockLevel
  /// What reports and tables call the class; a constant.
  static var name: StaticString { get }
}

/// Where locks may be taken. Only this module's three types conform.
public protocol LockContext {
  /// Whether interrupt handlers may take the lock, and interrupts are off wherever it is held.
  static var isInterruptSafe: Bool { get }
  /// Whether the handling of page faults may take the lock.
  static var isFaultSafe: Bool { get }
}

extension LockContext {
  /// No, but for `FaultSafe`.
  @inline(__always)
  public static var isFaultSafe: Bool { false }
}

/// Never taken in an interrupt, so that interrupts may stay on while it is held.
public enum ThreadOnly: LockContext {
  /// No.
  @inline(__always)
  public static var isInterruptSafe: Bool { false }
}

/// Taken with interrupts off everywhere: a handler never waits for the code that it interrupted.
public enum InterruptSafe: LockContext {
  /// Yes.
  @inline(__always)
  public static var isInterruptSafe: Bool { true }
}

/// Never taken in an interrupt, but in page faults: who takes it sees to it that a fault which interrupts
/// the holder never waits for it. isrcheck permits the way of a fault no other lock (`interrupts.policy`).
public enum FaultSafe: LockContext {
  /// No.
  @inline(__always)
  public static var isInterruptSafe: Bool { false }
  /// Yes.
  @inline(__always)
  public static var isFaultSafe: Bool { true }
}
