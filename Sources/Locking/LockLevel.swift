/// A place in the order in which locks are taken. While a lock is held, only locks of levels above
/// its own may be taken: so no two CPUs ever wait for each other.
///
/// The levels are one chain of types, each of which names the next one above it. That is what the
/// compiler checks of the order (see `HeldLevels`); checked builds check the rest.
public protocol LockLevel {
  /// The next level above.
  associatedtype Above: LockLevel
  /// The number of the level: higher is taken later.
  static var rank: Int { get }
}

/// Which CPUs may still join the running ones.
public enum AdmissionLevel: LockLevel {
  /// Next above.
  public typealias Above = AddressSpaceLevel
  /// First of all.
  @inline(__always)
  public static var rank: Int { 1 }
}

/// Page tables and address ranges.
public enum AddressSpaceLevel: LockLevel {
  /// Next above.
  public typealias Above = HeapLevel
  /// After `AdmissionLevel`.
  @inline(__always)
  public static var rank: Int { 2 }
}

/// Blocks of the heap.
public enum HeapLevel: LockLevel {
  /// Next above.
  public typealias Above = FrameLevel
  /// After `AddressSpaceLevel`.
  @inline(__always)
  public static var rank: Int { 3 }
}

/// Physical memory.
public enum FrameLevel: LockLevel {
  /// Next above.
  public typealias Above = OutputLevel
  /// After `HeapLevel`.
  @inline(__always)
  public static var rank: Int { 4 }
}

/// The application's standard output.
public enum OutputLevel: LockLevel {
  /// Next above.
  public typealias Above = TimerLevel
  /// After `FrameLevel`.
  @inline(__always)
  public static var rank: Int { 5 }
}

/// Timers of a CPU, held while what they wake is woken.
public enum TimerLevel: LockLevel {
  /// Next above.
  public typealias Above = WaitQueueLevel
  /// After `OutputLevel`.
  @inline(__always)
  public static var rank: Int { 6 }
}

/// Threads that wait for something.
public enum WaitQueueLevel: LockLevel {
  /// Next above.
  public typealias Above = RunQueueLevel
  /// After `TimerLevel`.
  @inline(__always)
  public static var rank: Int { 7 }
}

/// Threads that wait for a CPU.
public enum RunQueueLevel: LockLevel {
  /// Next above.
  public typealias Above = LogLevel
  /// After `WaitQueueLevel`.
  @inline(__always)
  public static var rank: Int { 8 }
}

/// The kernel's log, which may be written whatever else is held.
public enum LogLevel: LockLevel {
  /// Nothing is above, so nothing can be taken inside of it.
  public typealias Above = NoLevel
  /// After `RunQueueLevel`.
  @inline(__always)
  public static var rank: Int { 9 }
}

/// The end of the chain: no class of locks has this level.
public enum NoLevel: LockLevel {
  /// Itself.
  public typealias Above = NoLevel
  /// Above all.
  @inline(__always)
  public static var rank: Int { 10 }
}
