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
    /// Perhaps an address in the function's own frame, and then it is not known where. All other
    /// kinds but `stack` are none, unless such an address has escaped; see
    /// `MachineState.frameHasEscaped`.
    case frame
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

  /// Whether it may lead into the function's own frame, whoever knows its addresses.
  @inline(__always)
  var mayPointIntoFrame: Bool {
    switch kind {
    case .stack, .frame: true
    default: false
    }
  }

  /// The same knowledge without a name.
  @inline(__always)
  var anonymous: Self { AbstractValue(kind: kind) }

  /// A word of so many ones.
  @inline(__always)
  static func mask(_ bits: UInt8) -> UInt64 { bits >= 64 ? .max : (1 << UInt64(bits)) &- 1 }
}

/// Lists of constants that values name by number, so that values stay plain bits.
///
/// What is read from a table stays in the table's order, because where a table ends may show only
/// when its entries are used.
struct ConstantSets {
  /// The most elements that a list has: beyond it, a table is none of a switch.
  static let limit = 4096

  /// One of these constants.
  struct List: Hashable {
    var constants: [UInt64]
    /// They are the start of a table whose end is not known.
    var isOpen: Bool
  }

  private var lists: [List] = []
  private var numbers: [List: Int] = [:]

  subscript(number: Int) -> List { lists[number] }

  /// The value for one of these constants, or unknown if there are too many or none.
  mutating func value(of constants: some Sequence<UInt64>) -> AbstractValue {
    value(of: List(constants: Array(Set(constants)).sorted(), isOpen: false))
  }

  /// The value for an entry of a table.
  mutating func value(of list: List) -> AbstractValue {
    guard let first = list.constants.first, list.constants.count <= Self.limit else {
      return .unknown
    }
    if list.constants.count == 1 && !list.isOpen { return .constant(first) }
    if let number = numbers[list] { return AbstractValue(kind: .set(number)) }
    lists.append(list)
    numbers[list] = lists.count - 1
    return AbstractValue(kind: .set(lists.count - 1))
  }

  /// The value for what a function makes of each constant of a list.
  mutating func map(_ number: Int, _ body: (UInt64) -> UInt64) -> AbstractValue {
    let list = lists[number]
    return value(of: List(constants: list.constants.map(body), isOpen: list.isOpen))
  }
}
