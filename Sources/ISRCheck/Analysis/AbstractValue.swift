/// What is known of a number in a register or on the stack, on all paths that lead to a place.
struct AbstractValue: Equatable, Sendable {
  /// The knowledge.
  var kind: Kind
  /// Values with the same origin (not 0) are equal in their low `originBits` bits; a bound that a
  /// comparison gives one of them holds for all. See `MachineState.bounds`.
  var origin: UInt64 = 0
  var originBits: UInt8 = 64

  enum Kind: Equatable, Sendable {
    case unknown
    /// The low `bits` bits are, as an unsigned number, in this range; what is above is unknown.
    case interval(UInt64, UInt64, bits: UInt8)
    /// One of a few constants; the number names the set in `ConstantSets`.
    case set(Int)
    /// A word of which these bits are known to be zero, or one.
    case bits(zeros: UInt64, ones: UInt64)
    /// The stack pointer at the function's entry, plus this; after an alignment this is the lowest
    /// that it can be.
    case stack(Int64)
    /// What eight bytes of writable memory at this constant address hold.
    case loaded(UInt64)
    /// What a slot held at the function's entry: its return address on x86.
    case returnAddress
  }

  static let unknown = AbstractValue(kind: .unknown)

  static func constant(_ value: UInt64) -> Self {
    AbstractValue(kind: .interval(value, value, bits: 64))
  }

  /// Any number of so many bits, zeroes above.
  static func below(bits: UInt8) -> Self {
    bits >= 64 ? .unknown : AbstractValue(kind: .interval(0, mask(bits), bits: 64))
  }

  /// The constant that it is, if only one is possible.
  @inline(__always)
  var constant: UInt64? {
    if case .interval(let low, let high, bits: 64) = kind, low == high { return low }
    return nil
  }

  /// The distance from the stack pointer at the function's entry.
  @inline(__always)
  var stackOffset: Int64? {
    if case .stack(let offset) = kind { return offset }
    return nil
  }

  /// The same knowledge without a name.
  @inline(__always)
  var anonymous: Self { AbstractValue(kind: kind) }

  /// A word of so many ones.
  @inline(__always)
  static func mask(_ bits: UInt8) -> UInt64 { bits >= 64 ? .max : (1 << UInt64(bits)) &- 1 }
}

/// Sets of constants that values name by number, so that values stay plain bits.
struct ConstantSets {
  /// The most elements that a set has: beyond it, a table is none of a switch.
  static let limit = 4096

  private var sets: [[UInt64]] = []
  private var numbers: [[UInt64]: Int] = [:]

  subscript(number: Int) -> [UInt64] { sets[number] }

  /// The value for one of these constants, or unknown if there are too many or none.
  mutating func value(of constants: some Sequence<UInt64>) -> AbstractValue {
    let sorted = Array(Set(constants)).sorted()
    guard let first = sorted.first, sorted.count <= Self.limit else { return .unknown }
    if sorted.count == 1 { return .constant(first) }
    if let number = numbers[sorted] { return AbstractValue(kind: .set(number)) }
    sets.append(sorted)
    numbers[sorted] = sets.count - 1
    return AbstractValue(kind: .set(sets.count - 1))
  }
}
