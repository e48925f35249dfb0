import Machine

/// A CPU of the machine, named by its index.
///
/// Index 0 is the CPU that booted; the others follow in the order of the firmware's tables. The
/// hardware's own ids may have gaps, these do not, unless a CPU did not start.
public struct CPU: Hashable, Sendable {
  /// Dense, from 0 on.
  public let index: Int

  /// Names the CPU with this index.
  @inline(__always)
  public init(index: Int) { self.index = index }

  /// The CPU that executes the call.
  @inline(__always)
  public static var current: CPU { CPU(index: Processor.index) }

  /// How many CPUs the kernel supports: a set of CPUs is one atomic word.
  public static let maximumCount = UInt64.bitWidth

  /// One more than the highest index of a running CPU: an array of this many elements can be
  /// indexed by any CPU.
  public static var count: Int { CPUSet.online.highestIndex + 1 }
}

/// A set of CPUs.
public struct CPUSet: Hashable, Sendable {
  @usableFromInline var bits: UInt64

  /// The empty set.
  @inline(__always)
  public init() { bits = 0 }

  /// One bit for each CPU, by its index.
  @inline(__always)
  public var rawValue: UInt64 { bits }

  /// The set of the CPUs whose bits are set.
  @inline(__always)
  package init(bits: UInt64) { self.bits = bits }

  /// The set of one CPU.
  @inline(__always)
  public init(_ cpu: CPU) { bits = 1 << UInt64(cpu.index) }

  /// All CPUs that run.
  public static var online: CPUSet { CPUSet(bits: onlineBits.load(ordering: .acquiring)) }

  // Tests set it, for machines with more CPUs and fewer.
  static let onlineBits = Atomic<UInt64>(1)

  /// Adds a CPU to those that run. Release pairs with the acquire in `online`: whoever sees the
  /// CPU there sees it set up.
  package static func markOnline(_ cpu: CPU) {
    var seen = onlineBits.load(ordering: .relaxed)
    while true {
      let result = onlineBits.compareExchange(
        expected: seen, desired: seen | 1 << UInt64(cpu.index), ordering: .acquiringAndReleasing)
      if result.exchanged { return }
      seen = result.original
      Processor.pause()
    }
  }

  /// Whether no CPU is in the set.
  @inline(__always)
  public var isEmpty: Bool { bits == 0 }

  /// How many CPUs are in the set.
  public var count: Int { bits.nonzeroBitCount }

  var highestIndex: Int { UInt64.bitWidth - 1 - bits.leadingZeroBitCount }

  /// Whether a CPU is in the set.
  @inline(__always)
  public func contains(_ cpu: CPU) -> Bool { bits & 1 << UInt64(cpu.index) != 0 }

  /// Adds a CPU.
  @inline(__always)
  public mutating func insert(_ cpu: CPU) { bits |= 1 << UInt64(cpu.index) }

  /// Takes a CPU out.
  @inline(__always)
  public mutating func remove(_ cpu: CPU) { bits &= ~(1 << UInt64(cpu.index)) }

  /// The set without one CPU.
  @inline(__always)
  public func subtracting(_ cpu: CPU) -> CPUSet {
    CPUSet(bits: bits & ~(1 << UInt64(cpu.index)))
  }

  /// The set without the CPUs of another one.
  public func subtracting(_ other: CPUSet) -> CPUSet { CPUSet(bits: bits & ~other.bits) }

  /// The CPUs that are in both sets.
  public func intersection(_ other: CPUSet) -> CPUSet { CPUSet(bits: bits & other.bits) }
  /// The CPUs that are in at least one of the sets.
  public func union(_ other: CPUSet) -> CPUSet { CPUSet(bits: bits | other.bits) }
}

extension CPUSet: Sequence {
  /// The CPUs of a set, lowest index first.
  public struct Iterator: IteratorProtocol {
    @usableFromInline var rest: UInt64

    /// The next CPU.
    @inline(__always)
    public mutating func next() -> CPU? {
      guard rest != 0 else { return nil }
      defer { rest &= rest - 1 }
      return CPU(index: rest.trailingZeroBitCount)
    }
  }

  /// Iterates from the lowest index up.
  @inline(__always)
  public func makeIterator() -> Iterator { Iterator(rest: bits) }
}
