/// Numbers: what an operation makes of what is known of two.
extension Interpreter {
  /// The low bits of a value, zeroes above.
  mutating func truncated(_ value: AbstractValue, _ bits: UInt8) -> AbstractValue {
    if bits >= 64 { return value }
    let mask = AbstractValue.mask(bits)
    var result = AbstractValue.below(bits: bits)
    result.origin = value.origin
    result.originBits = min(value.originBits, bits)
    switch value.kind {
    case .interval(let low, let high, let width):
      if low == high && width >= bits {
        return .constant(low & mask)
      } else if width >= bits && high <= mask {
        result.kind = .interval(low, high, bits: 64)
      }
    case .set(let number):
      return sets.map(number) { $0 & mask }
    case .bits(let zeros, let ones):
      return AbstractValue(kind: .bits(zeros: zeros | ~mask, ones: ones & mask))
    case .stack, .frame, .loaded, .returnAddress, .unknown: break
    }
    return result
  }

  mutating func signExtended(
    _ value: AbstractValue, _ bits: UInt8, _ resultBits: UInt8
  ) -> AbstractValue {
    let sign: UInt64 = 1 << UInt64(bits - 1)
    let mask = AbstractValue.mask(resultBits)
    func extend(_ number: UInt64) -> UInt64 {
      (number & sign != 0 ? number | ~AbstractValue.mask(bits) : number) & mask
    }
    if let number = value.constant { return .constant(extend(number)) }
    switch value.kind {
    case .set(let set): return sets.map(set, extend)
    case .interval(_, let high, bits: 64) where high < sign: return value
    default: return .below(bits: resultBits)
    }
  }

  mutating func add(_ a: AbstractValue, _ b: AbstractValue) -> AbstractValue {
    if let number = b.constant { return add(a, number) }
    if let number = a.constant { return add(b, number) }
    if case .interval(let low, let high, bits: 64) = a.kind,
      case .interval(let otherLow, let otherHigh, bits: 64) = b.kind
    {
      let (sum, overflow) = high.addingReportingOverflow(otherHigh)
      if !overflow { return AbstractValue(kind: .interval(low &+ otherLow, sum, bits: 64)) }
    }
    return frameOrUnknown(a, b)
  }

  /// What an operation gives of which nothing is known but what went in.
  func frameOrUnknown(_ a: AbstractValue, _ b: AbstractValue) -> AbstractValue {
    AbstractValue(kind: a.mayPointIntoFrame || b.mayPointIntoFrame ? .frame : .unknown)
  }

  mutating func add(_ value: AbstractValue, _ number: UInt64) -> AbstractValue {
    if number == 0 { return value.anonymous }
    switch value.kind {
    case .stack(let offset):
      return AbstractValue(kind: .stack(offset &+ Int64(bitPattern: number)))
    case .set(let set): return sets.map(set) { $0 &+ number }
    case .interval(let low, let high, bits: 64):
      let newLow = low &+ number
      let newHigh = high &+ number
      return newLow <= newHigh
        ? AbstractValue(kind: .interval(newLow, newHigh, bits: 64)) : .unknown
    case .frame: return value
    default: return .unknown
    }
  }

  mutating func multiply(_ value: AbstractValue, _ factor: UInt64) -> AbstractValue {
    switch value.kind {
    case .set(let set): return sets.map(set) { $0 &* factor }
    case .interval(let low, let high, bits: 64):
      let (newHigh, overflow) = high.multipliedReportingOverflow(by: factor)
      guard !overflow else { return .unknown }
      // Every `factor`-th number, for the entries of a table; too many are told by their range.
      if high &- low < UInt64(ConstantSets.limit) && high > low {
        return sets.value(of: (0...(high &- low)).map { (low &+ $0) &* factor })
      }
      return AbstractValue(kind: .interval(low &* factor, newHigh, bits: 64))
    default: return .unknown
    }
  }

  /// An operation on two values whose upper bits are zero.
  mutating func result(
    of operation: Instruction.Arithmetic, _ a: AbstractValue, _ b: AbstractValue, bits: UInt8
  ) -> AbstractValue {
    let mask = AbstractValue.mask(bits)
    let wide: AbstractValue
    if let x = a.constant, let y = b.constant {
      let number =
        switch operation {
        case .add: x &+ y
        case .subtract: x &- y
        case .and: x & y
        case .or: x | y
        case .exclusiveOr: x ^ y
        case .shiftLeft: x << (y & 63)
        case .shiftRight: x >> (y & 63)
        case .multiply: x &* y
        }
      return .constant(number & mask)
    }
    switch operation {
    case .add: wide = add(a, b)
    case .subtract:
      wide = b.constant.map { add(a, 0 &- $0) } ?? frameOrUnknown(a, b)
    case .and:
      guard let number = b.constant ?? a.constant else {
        return bits == 64 ? frameOrUnknown(a, b) : .below(bits: bits)
      }
      wide = and(b.constant == nil ? b : a, number)
    case .shiftLeft:
      wide = b.constant.flatMap { $0 < 64 ? multiply(a, 1 << $0) : nil } ?? .unknown
    case .shiftRight:
      wide = b.constant.map { shiftRight(a, $0 & 63) } ?? .unknown
    case .multiply:
      wide = b.constant.map { multiply(a, $0) } ?? a.constant.map { multiply(b, $0) } ?? .unknown
    // An aligned address may have an offset joined to it.
    case .or, .exclusiveOr: wide = frameOrUnknown(a, b)
    }
    if bits == 64 { return wide }
    return truncated(wide, bits)
  }

  mutating func and(_ value: AbstractValue, _ mask: UInt64) -> AbstractValue {
    switch value.kind {
    case .stack(let offset) where mask > .max << 16:
      // Aligns: at most that much lower, and the stack is aligned to a word before.
      let step = Int64(bitPattern: ~mask)
      return AbstractValue(kind: .stack(offset - max(step - 7, 0)))
    case .frame where mask > .max << 16: return value
    case .set(let set): return sets.map(set) { $0 & mask }
    case .bits(let zeros, let ones):
      let (zeros, ones) = (zeros | ~mask, ones & mask)
      return zeros | ones == .max
        ? .constant(ones) : AbstractValue(kind: .bits(zeros: zeros, ones: ones))
    case .interval(_, let high, bits: 64) where high <= mask && mask & (mask &+ 1) == 0:
      return value.anonymous
    default:
      return mask <= AbstractValue.mask(32)
        ? AbstractValue(kind: .interval(0, mask, bits: 64)) : .unknown
    }
  }

  mutating func shiftRight(_ value: AbstractValue, _ count: UInt64) -> AbstractValue {
    switch value.kind {
    case .set(let set): return sets.map(set) { $0 >> count }
    case .interval(let low, let high, bits: 64):
      return AbstractValue(kind: .interval(low >> count, high >> count, bits: 64))
    case .bits(let zeros, let ones):
      return AbstractValue(
        kind: .bits(zeros: zeros >> count | ~(.max >> count), ones: ones >> count))
    default: return .below(bits: UInt8(64 - count))
    }
  }

  /// Some bits of a word become known; the others are what they were.
  func inserted(
    _ value: UInt64, _ mask: UInt64, into old: AbstractValue
  ) -> AbstractValue {
    var known: (zeros: UInt64, ones: UInt64) = (0, 0)
    if let number = old.constant { known = (~number, number) }
    if case .bits(let zeros, let ones) = old.kind { known = (zeros, ones) }
    let ones = known.ones & ~mask | value & mask
    let zeros = known.zeros & ~mask | ~value & mask
    return zeros | ones == .max
      ? .constant(ones) : AbstractValue(kind: .bits(zeros: zeros, ones: ones))
  }
}
