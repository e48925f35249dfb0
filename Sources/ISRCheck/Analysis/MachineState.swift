/// Whether interrupts are on, as far as it is known.
enum InterruptFlag: UInt8, Hashable, Sendable {
  case off, on, unknown

  func joined(with other: Self) -> Self { self == other ? self : .unknown }
}

/// What is known of the machine at a place of a function, on all paths from its entry.
struct MachineState: Equatable, Sendable {
  /// By register number.
  var registers: [AbstractValue]
  /// Words of the function's own stack frame, by their offset from the stack pointer at entry.
  var slots: [Int64: AbstractValue] = [:]
  /// The last comparison, if the flags are still its.
  var comparison: Comparison?
  /// What comparisons have told of values with an origin.
  var bounds: [Bound] = []
  var interrupts: InterruptFlag
  /// Extended registers that are saved, so that writing them does no harm.
  var saved: ExtendedState
  /// Whether values may lead into the function's frame that do not say so: an address of it was
  /// stored where nothing is tracked, or handed to another function.
  ///
  /// From one such address all of the frame can be reached: it may be the end of an array that is
  /// filled downwards, and where an object begins the code does not tell.
  var frameHasEscaped = false
  /// The last check of a function's type.
  var typeCheck: TypeCheck?

  struct Comparison: Equatable, Sendable {
    var left: AbstractValue
    var right: AbstractValue
    var bits: UInt8
    /// The flags are those of `left & right`, not of `left - right`.
    var isTest: Bool
  }

  /// A comparison of the type hash before the function whose address a register holds.
  struct TypeCheck: Equatable, Sendable {
    var function: Register
    var loaded: Register?
    var hash: UInt32?
  }

  struct Bound: Equatable, Sendable {
    var origin: UInt64
    /// It is about so many low bits.
    var bits: UInt8
    var low: UInt64
    var high: UInt64
  }

  /// Origins of values in memory have this bit: a write to memory ends them all.
  static let memoryOrigin: UInt64 = 1 << 63
  /// More bounds at a time are not kept.
  private static let boundLimit = 12

  init(_ convention: CallingConvention, interrupts: InterruptFlag, saved: ExtendedState) {
    registers = .init(repeating: .unknown, count: convention.registerCount)
    registers[Int(convention.stackPointer.number)] = AbstractValue(kind: .stack(0))
    if convention.returnAddressSize > 0 { slots[0] = AbstractValue(kind: .returnAddress) }
    self.interrupts = interrupts
    self.saved = saved
  }

  subscript(register: Register) -> AbstractValue {
    @inline(__always) get { registers[Int(register.number)] }
    @inline(__always) set { registers[Int(register.number)] = newValue }
  }

  // MARK: The frame

  /// Something was written somewhere in the frame: only the return address is believed to stay.
  mutating func forgetFrame() {
    for (offset, value) in slots where offset != 0 {
      if value.mayPointIntoFrame { frameHasEscaped = true }
      slots[offset] = nil
    }
  }

  /// Something was written through a pointer that does not say where it leads.
  mutating func forgetWhatEscaped() {
    retireMemoryOrigins()
    if frameHasEscaped { forgetFrame() }
  }

  /// These bytes of the frame are no longer what they were.
  mutating func forget(from offset: Int64, to end: Int64) {
    for slot in slots.keys where slot < end && offset < slot &+ 8 { slots[slot] = nil }
  }

  // MARK: Names of values

  /// Takes a name from whoever has it: it is given to another value now.
  mutating func retire(origin: UInt64) {
    for index in registers.indices where registers[index].origin == origin {
      registers[index] = named(registers[index]).anonymous
    }
    for (offset, value) in slots where value.origin == origin {
      slots[offset] = named(value).anonymous
    }
    if comparison?.left.origin == origin || comparison?.right.origin == origin { comparison = nil }
    bounds.removeAll { $0.origin == origin }
  }

  /// Values in memory may have changed: their names no longer hold.
  mutating func retireMemoryOrigins() {
    func isMemory(_ value: AbstractValue) -> Bool { value.origin & Self.memoryOrigin != 0 }
    for index in registers.indices where isMemory(registers[index]) {
      registers[index] = named(registers[index]).anonymous
    }
    for (offset, value) in slots where isMemory(value) { slots[offset] = named(value).anonymous }
    bounds.removeAll { $0.origin & Self.memoryOrigin != 0 }
  }

  /// The value with what comparisons have told of it.
  func named(_ value: AbstractValue) -> AbstractValue {
    guard value.origin != 0, !bounds.isEmpty else { return value }
    var result = value
    for bound in bounds where bound.origin == value.origin {
      // A copy of fewer bits learns from a bound on more only if the number fits into them.
      guard bound.bits <= value.originBits || bound.high <= AbstractValue.mask(value.originBits)
      else { continue }
      switch result.kind {
      case .unknown:
        let bits = value.originBits < 64 ? 64 : bound.bits
        result.kind = .interval(bound.low, bound.high, bits: bits)
      case .interval(let low, let high, let bits):
        let newLow = max(low, bound.low)
        let newHigh = min(high, bound.high)
        // The bound is about the whole number if nothing is above its bits.
        guard newLow <= newHigh, bits == bound.bits || high <= AbstractValue.mask(bound.bits)
        else { continue }
        result.kind = .interval(newLow, newHigh, bits: max(bits, bound.bits))
      default: break
      }
    }
    return result
  }

  /// Notes what a comparison tells of a value.
  mutating func bind(_ value: AbstractValue, bits: UInt8, _ low: UInt64, _ high: UInt64) {
    guard value.origin != 0 else { return }
    let bits = min(bits, value.originBits)
    if let index = bounds.firstIndex(where: { $0.origin == value.origin && $0.bits == bits }) {
      bounds[index].low = max(bounds[index].low, low)
      bounds[index].high = min(bounds[index].high, high)
      if bounds[index].low > bounds[index].high { bounds.remove(at: index) }
      return
    }
    if bounds.count == Self.boundLimit { bounds.removeFirst() }
    bounds.append(Bound(origin: value.origin, bits: bits, low: low, high: high))
  }

  // MARK: Joining paths

  /// What holds on both paths. `widening` gives up what is still changing, so that loops end.
  func joined(
    with other: MachineState, widening: Bool, sets: inout ConstantSets, isCode: (UInt64) -> Bool
  ) -> MachineState {
    var result = self
    for index in registers.indices where registers[index] != other.registers[index] {
      result.registers[index] = Self.join(
        named(registers[index]), other.named(other.registers[index]), widening, &sets, isCode)
    }
    for (offset, value) in slots {
      guard let theirs = other.slots[offset] else {
        if value.mayPointIntoFrame { result.frameHasEscaped = true }
        result.slots[offset] = nil
        continue
      }
      guard value != theirs else { continue }
      result.slots[offset] = Self.join(named(value), other.named(theirs), widening, &sets, isCode)
    }
    for (offset, value) in other.slots where slots[offset] == nil && value.mayPointIntoFrame {
      result.frameHasEscaped = true
    }
    if comparison != other.comparison { result.comparison = nil }
    if bounds != other.bounds {
      result.bounds = bounds.compactMap { bound in
        guard
          let theirs = other.bounds.first(where: {
            $0.origin == bound.origin && $0.bits == bound.bits
          })
        else { return nil }
        if widening && theirs != bound { return nil }
        var joined = bound
        joined.low = min(bound.low, theirs.low)
        joined.high = max(bound.high, theirs.high)
        return joined
      }
    }
    result.interrupts = interrupts.joined(with: other.interrupts)
    result.saved = saved.intersection(other.saved)
    if other.frameHasEscaped { result.frameHasEscaped = true }
    if typeCheck != other.typeCheck { result.typeCheck = nil }
    return result
  }

  private static func join(
    _ a: AbstractValue, _ b: AbstractValue, _ widening: Bool, _ sets: inout ConstantSets,
    _ isCode: (UInt64) -> Bool
  ) -> AbstractValue {
    // The same name on both sides is the same value only while both knew it by that name.
    let sameName = a.origin == b.origin && a.originBits == b.originBits
    var result = AbstractValue(kind: .unknown)
    if sameName {
      result.origin = a.origin
      result.originBits = a.originBits
    }
    if a.kind == b.kind {
      result.kind = a.kind
      return result
    }
    if a.mayPointIntoFrame || b.mayPointIntoFrame {
      result.kind = .frame
      return result
    }
    func codeConstants(_ value: AbstractValue) -> [UInt64]? {
      if case .set(let number) = value.kind {
        return sets[number].isOpen ? nil : sets[number].constants
      }
      guard let constant = value.constant, constant == 0 || isCode(constant) else { return nil }
      return [constant]
    }
    if let left = codeConstants(a), let right = codeConstants(b), left.count + right.count <= 64 {
      result.kind = sets.value(of: left + right).kind
      return result
    }
    if case .interval(let low, let high, let bits) = a.kind,
      case .interval(let otherLow, let otherHigh, let otherBits) = b.kind, bits == otherBits
    {
      if low <= otherLow && high >= otherHigh {
        result.kind = a.kind
      } else if !widening {
        result.kind = .interval(min(low, otherLow), max(high, otherHigh), bits: bits)
      } else if bits == 64 && max(high, otherHigh) <= AbstractValue.mask(32) {
        result.kind = .interval(0, AbstractValue.mask(32), bits: 64)
      }
      return result
    }
    if case .bits(let zeros, let ones) = a.kind, case .bits(let otherZeros, let otherOnes) = b.kind
    {
      result.kind = .bits(zeros: zeros & otherZeros, ones: ones & otherOnes)
    }
    return result
  }
}
