/// Follows single instructions: what is known after one, given what was known before it.
///
/// Nothing here knows the flow of a function; see `FunctionExploration`.
struct Interpreter {
  let image: CodeImage
  let convention: CallingConvention
  var sets = ConstantSets()

  private var stackPointer: Register { convention.stackPointer }

  init(image: CodeImage) {
    self.image = image
    convention = image.convention
  }

  // MARK: Reading

  /// The value of an operand in its low `bits` bits, with zeroes above.
  mutating func value(
    _ operand: Operand, bits: UInt8, in state: inout MachineState, at address: UInt64
  ) -> AbstractValue {
    switch operand {
    case .immediate(let number): return .constant(number & AbstractValue.mask(bits))
    case .register(let register):
      // From here on the register's value has a name, which its copies share.
      name(register, in: &state, at: address)
      return truncated(state.named(state[register]), bits)
    case .memory(let memory):
      return truncated(state.named(load(memory, in: &state, at: address)), bits)
    }
  }

  /// The whole value of a register.
  func whole(_ register: Register, in state: MachineState) -> AbstractValue {
    state.named(state[register])
  }

  private func name(_ register: Register, in state: inout MachineState, at address: UInt64) {
    guard state[register].origin == 0, state[register].constant == nil else { return }
    switch state[register].kind {
    case .stack, .frame, .set, .bits, .loaded, .returnAddress: return
    case .unknown, .interval: break
    }
    let origin = (address << 6 | UInt64(register.number) + 1) & ~MachineState.memoryOrigin
    state.retire(origin: origin)
    state[register].origin = origin
    state[register].originBits = 64
  }

  /// The low bits of a value, zeroes above.
  private mutating func truncated(_ value: AbstractValue, _ bits: UInt8) -> AbstractValue {
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

  /// The address that a memory operand stands for.
  mutating func address(of memory: Memory, in state: MachineState) -> AbstractValue {
    if memory.isSegmented { return .unknown }
    var result = AbstractValue.constant(UInt64(bitPattern: memory.displacement))
    if let base = memory.base { result = add(whole(base, in: state).anonymous, result) }
    if let index = memory.index {
      var factor = truncated(whole(index, in: state), memory.indexBits).anonymous
      if memory.scale > 1 { factor = multiply(factor, UInt64(memory.scale)) }
      result = add(result, factor)
    }
    return result
  }

  /// What memory holds, with zeroes above the size of the access.
  mutating func load(
    _ memory: Memory, in state: inout MachineState, at here: UInt64
  ) -> AbstractValue {
    let address = address(of: memory, in: state)
    let bits = UInt8(min(64, Int(memory.size) * 8))
    if case .stack(let offset) = address.kind, memory.size == 8 {
      return state.slots[offset].map { state.named($0) } ?? .unknown
    }
    if case .frame = address.kind, state.slots.values.contains(where: \.mayPointIntoFrame) {
      return AbstractValue(kind: .frame)
    }
    if let constants = constants(of: address) {
      let values = constants.compactMap { image.constant(at: $0, size: Int(memory.size)) }
      if values.count == constants.count {
        return sets.value(of: .init(constants: values, isOpen: false))
      }
    }
    if let list = openTable(memory, in: state) { return sets.value(of: list) }
    if let table = image.constantTable(at: tableBase(of: memory, in: state)) {
      // C and Swift do not let an index leave the table: undefined, or checked.
      let values = stride(from: table.lowerBound, to: table.upperBound, by: Int(memory.size))
        .compactMap { image.constant(at: $0, size: Int(memory.size)) }
      let result = sets.value(of: values)
      if memory.size == 8, !values.isEmpty, result.kind != .unknown { return result }
    }
    if let constant = address.constant, memory.size == 8 {
      return AbstractValue(kind: .loaded(constant))
    }
    var result = AbstractValue.below(bits: bits)
    // The same place read twice without a write between gives the same value.
    if !memory.isSegmented, let base = memory.base, memory.index == nil {
      name(base, in: &state, at: here)
      let value = state[base]
      if value.origin != 0 && value.originBits == 64 {
        var hash = value.origin &* 0x9E37_79B9_7F4A_7C15
        hash ^= UInt64(bitPattern: memory.displacement) &* 0xC2B2_AE3D_27D4_EB4F
        hash = (hash ^ hash >> 29) &* 0x1656_67B1_9E37_79F9 ^ UInt64(memory.size)
        result.origin = hash | MachineState.memoryOrigin
        result.originBits = bits
        if bits < 64 { return state.named(result) }
      }
    }
    return result
  }

  /// The entries of a table of which it is not known where it ends, or whether it stays as it is:
  /// as many as the index allows, and as a table may have.
  private func openTable(_ memory: Memory, in state: MachineState) -> ConstantSets.List? {
    guard !memory.isSegmented, let index = memory.index,
      memory.size > 2 || memory.scale == memory.size
    else { return nil }
    let base = memory.base.map { state[$0].constant } ?? 0
    guard let start = base.map({ $0 &+ UInt64(bitPattern: memory.displacement) }),
      image.constantTable(at: start) == nil
    else { return nil }
    var (low, high): (UInt64, UInt64) = (0, 1023)
    if case .interval(let least, let most, bits: 64) = whole(index, in: state).kind {
      (low, high) = (least, min(most, least &+ 1023))
    }
    var constants: [UInt64] = []
    while low <= high {
      let address = start &+ low &* UInt64(memory.scale)
      guard constants.isEmpty || !image.functions.isObject(address),
        let entry = image.initialNumber(at: address, size: Int(memory.size))
      else { break }
      constants.append(entry)
      low += 1
    }
    return constants.isEmpty ? nil : .init(constants: constants, isOpen: true)
  }

  /// The address of the table that an access with an unknown index goes into.
  private func tableBase(of memory: Memory, in state: MachineState) -> UInt64 {
    if memory.isSegmented { return 0 }
    guard let base = memory.base else {
      return memory.index == nil ? 0 : UInt64(bitPattern: memory.displacement)
    }
    if let constant = state[base].constant, memory.index != nil, memory.displacement == 0 {
      return constant
    }
    return memory.index == nil ? UInt64(bitPattern: memory.displacement) : 0
  }

  /// All values that are possible, if they are few.
  func constants(of value: AbstractValue) -> [UInt64]? {
    switch value.kind {
    case .set(let number): return sets[number].isOpen ? nil : sets[number].constants
    case .interval(let low, let high, bits: 64) where high &- low < UInt64(ConstantSets.limit):
      return (0...(high &- low)).map { low &+ $0 }
    default: return nil
    }
  }

  // MARK: Arithmetic on 64 bits

  private mutating func add(_ a: AbstractValue, _ b: AbstractValue) -> AbstractValue {
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
  private func frameOrUnknown(_ a: AbstractValue, _ b: AbstractValue) -> AbstractValue {
    AbstractValue(kind: a.mayPointIntoFrame || b.mayPointIntoFrame ? .frame : .unknown)
  }

  private mutating func add(_ value: AbstractValue, _ number: UInt64) -> AbstractValue {
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

  private mutating func multiply(_ value: AbstractValue, _ factor: UInt64) -> AbstractValue {
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
  private mutating func result(
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

  private mutating func and(_ value: AbstractValue, _ mask: UInt64) -> AbstractValue {
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

  private mutating func shiftRight(_ value: AbstractValue, _ count: UInt64) -> AbstractValue {
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

  // MARK: Writing

  /// Gives a register a value; it is a new one, so whoever had its name loses it.
  private func set(_ register: Register, _ value: AbstractValue, in state: inout MachineState) {
    state[register] = value
  }

  private func store(
    _ value: AbstractValue, to memory: Memory, in state: inout MachineState, address: AbstractValue
  ) {
    overwrite(memory, at: address, in: &state)
    if case .stack(let offset) = address.kind, memory.size == 8 {
      state.slots[offset] = value
    } else if value.mayPointIntoFrame {
      state.frameHasEscaped = true
    }
  }

  /// Memory becomes what is not known.
  private func overwrite(
    _ memory: Memory, at address: AbstractValue, in state: inout MachineState
  ) {
    switch address.kind {
    case .stack(let offset):
      // Without a size it is over an unknown length, upwards or downwards.
      if memory.size > 0 {
        state.forget(from: offset, to: offset &+ Int64(memory.size))
      } else {
        state.forgetFrame()
      }
      if state.frameHasEscaped { state.retireMemoryOrigins() }
    case .frame:
      state.retireMemoryOrigins()
      state.forgetFrame()
    default: state.forgetWhatEscaped()
    }
  }

  /// An instruction writes registers to memory and does not say which.
  private func noteEscape(in state: inout MachineState) {
    for number in state.registers.indices where state.registers[number].mayPointIntoFrame {
      let register = Register(UInt8(number))
      if register != stackPointer && register != convention.framePointer {
        state.frameHasEscaped = true
      }
    }
  }

  /// What is known after an instruction, but for where it goes.
  mutating func apply(_ instruction: Instruction, to state: inout MachineState) {
    let sp = stackPointer
    let here = instruction.address
    let before = typeCheckConstant(instruction, state)
    if let writeBack = instruction.writeBack, writeBack.isBefore { move(writeBack, &state) }
    switch instruction.operation {
    case .none: clobber(instruction, in: &state)
    case .changesFlags:
      clobber(instruction, in: &state)
      state.comparison = nil
    case .copy(let target, let source, let bits, let signExtends, let resultBits):
      copy(target, source, bits, signExtends, resultBits, instruction, &state)
    case .conditionalCopy(let target, let source, let bits, _):
      let new = value(source, bits: bits, in: &state, at: here)
      let old = value(.register(target), bits: bits, in: &state, at: here)
      let both = constants(of: new).flatMap { new in constants(of: old).map { new + $0 } }
      clobber(instruction, in: &state)
      if new == old {
        state[target] = new
      } else if let both, both.count <= 64 {
        state[target] = sets.value(of: both)
      } else {
        state[target] = bits == 32 ? .below(bits: 32) : frameOrUnknown(new, old)
      }
    case .arithmetic(let operation, let target, let left, let right, let bits, let setsFlags):
      let a = value(left, bits: bits, in: &state, at: here)
      let b = value(right, bits: bits, in: &state, at: here)
      let outcome = result(of: operation, a, b, bits: bits)
      clobber(instruction, in: &state)
      state[target] = outcome
      if setsFlags {
        state.comparison =
          operation == .subtract
          ? .init(left: a, right: b, bits: bits, isTest: false)
          : operation == .and ? .init(left: outcome, right: outcome, bits: bits, isTest: true) : nil
      }
    case .address(let target, let memory, let bits):
      let outcome = address(of: memory, in: state)
      clobber(instruction, in: &state)
      state[target] = truncated(outcome, bits)
    case .compare(let left, let right, let bits), .test(let left, let right, let bits):
      let a = value(left, bits: bits, in: &state, at: here)
      let b = value(right, bits: bits, in: &state, at: here)
      clobber(instruction, in: &state)
      var isTest = false
      if case .test = instruction.operation { isTest = true }
      state.comparison = .init(left: a, right: b, bits: bits, isTest: isTest)
    case .store(let memory, let operand):
      let bits = UInt8(min(64, Int(memory.size) * 8))
      let new = value(operand, bits: bits, in: &state, at: here)
      let place = address(of: memory, in: state)
      clobber(instruction, in: &state)
      store(new, to: memory, in: &state, address: place)
    case .overwrite(let memory):
      noteEscape(in: &state)
      let place = address(of: memory, in: state)
      clobber(instruction, in: &state)
      state.comparison = nil
      overwrite(memory, at: place, in: &state)
    case .storePair(let memory, let first, let second):
      let bits = UInt8(min(64, Int(memory.size) * 8))
      for (operand, memory) in [(first, memory), (second, memory.next)] {
        let new = value(operand, bits: bits, in: &state, at: here)
        let place = address(of: memory, in: state)
        store(new, to: memory, in: &state, address: place)
      }
    case .loadPair(let first, let second, let memory):
      let low = load(memory, in: &state, at: here)
      let high = load(memory.next, in: &state, at: here)
      clobber(instruction, in: &state)
      if let first { state[first] = low.anonymous }
      if let second { state[second] = high.anonymous }
    case .insert(let target, let value, let mask):
      let old = whole(target, in: state)
      clobber(instruction, in: &state)
      state[target] = inserted(value, mask, into: old)
    case .push(let operand):
      push(value(operand, bits: 64, in: &state, at: here), &state)
    case .pop(let register):
      let new = load(Memory(base: sp, size: 8), in: &state, at: here)
      state[sp] = add(state[sp], 8)
      clobber(instruction, in: &state)
      if let register { state[register] = new.anonymous }
    case .leave:
      state[sp] = whole(convention.framePointer, in: state).anonymous
      let frame = load(Memory(base: sp, size: 8), in: &state, at: here)
      state[convention.framePointer] = frame.anonymous
      state[sp] = add(state[sp], 8)
    case .pushFlags: push(flagsWord(of: state), &state)
    case .popFlags:
      let word = load(Memory(base: sp, size: 8), in: &state, at: here)
      state[sp] = add(state[sp], 8)
      state.comparison = nil
      state.interrupts = interruptFlag(in: word)
    case .readInterruptFlags(let register):
      clobber(instruction, in: &state)
      state[register] = flagsWord(of: state)
    case .writeInterruptFlags(let register):
      state.interrupts = interruptFlag(in: whole(register, in: state))
    case .disableInterrupts: state.interrupts = .off
    case .enableInterrupts: state.interrupts = .on
    }
    if let writeBack = instruction.writeBack, !writeBack.isBefore { move(writeBack, &state) }
    noteTypeCheck(instruction, before: before, &state)
    if instruction.writesMemory, case .none = instruction.operation { state.forgetWhatEscaped() }
  }

  /// The base register of an access moves by its offset.
  private mutating func move(_ writeBack: Instruction.WriteBack, _ state: inout MachineState) {
    state[writeBack.base] = add(
      whole(writeBack.base, in: state), UInt64(bitPattern: writeBack.offset))
  }

  /// Registers that an instruction overwrites with what is not known; a base that moves is known.
  private func clobber(_ instruction: Instruction, in state: inout MachineState) {
    var rest = instruction.overwrites.rawValue
    if let writeBack = instruction.writeBack { rest &= ~RegisterSet(writeBack.base).rawValue }
    while rest != 0 {
      let number = rest.trailingZeroBitCount
      rest &= rest &- 1
      if number < state.registers.count { state.registers[number] = .unknown }
    }
  }

  private mutating func copy(
    _ target: Register, _ source: Operand, _ bits: UInt8, _ signExtends: Bool,
    _ resultBits: UInt8, _ instruction: Instruction, _ state: inout MachineState
  ) {
    var new = value(source, bits: bits, in: &state, at: instruction.address)
    if signExtends && bits < resultBits { new = signExtended(new, bits, resultBits) }
    clobber(instruction, in: &state)
    if resultBits >= 32 {
      state[target] = new
    } else if case .interval(let low, let high, bits: 64) = new.kind,
      high <= AbstractValue.mask(resultBits)
    {
      // What is above stays, and is not looked at.
      state[target] = AbstractValue(kind: .interval(low, high, bits: resultBits))
    } else {
      state[target] = .unknown
    }
  }

  private mutating func signExtended(
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

  private mutating func push(_ value: AbstractValue, _ state: inout MachineState) {
    let sp = stackPointer
    state[sp] = add(state[sp], 0 &- 8)
    if case .stack(let offset) = state[sp].kind {
      state.slots[offset] = value
    } else if value.mayPointIntoFrame {
      state.frameHasEscaped = true
    }
  }

  /// Some bits of a word become known; the others are what they were.
  private func inserted(
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

  // MARK: Type hashes

  /// The number that a check of a function's type hash adds or compares, before it is overwritten.
  ///
  /// KCFI keeps a hash of a function's type in the four bytes before it. On x86-64 the caller adds
  /// it to the negated hash that it expects; on AArch64 it loads and compares it.
  private func typeCheckConstant(_ instruction: Instruction, _ state: MachineState) -> UInt64? {
    switch instruction.operation {
    case .arithmetic(.add, _, .register(let register), .memory(let memory), bits: 32, _)
    where memory.displacement == -4 && memory.index == nil:
      return whole(register, in: state).constant
    case .compare(.register, .register(let register), bits: 32):
      return whole(register, in: state).constant
    default: return nil
    }
  }

  private func noteTypeCheck(
    _ instruction: Instruction, before: UInt64?, _ state: inout MachineState
  ) {
    switch instruction.operation {
    case .arithmetic(.add, _, _, .memory(let memory), _, _):
      guard let before, let base = memory.base else { return }
      state.typeCheck = .init(
        function: base, loaded: nil, hash: 0 &- UInt32(truncatingIfNeeded: before))
    case .copy(let target, .memory(let memory), bits: 32, _, _)
    where memory.displacement == -4 && memory.index == nil:
      if let base = memory.base {
        state.typeCheck = .init(function: base, loaded: target, hash: nil)
      }
    case .compare(.register(let register), _, _):
      guard let before, state.typeCheck?.loaded == register else { return }
      state.typeCheck?.hash = UInt32(truncatingIfNeeded: before)
    default:
      if let check = state.typeCheck, instruction.overwrites.holds(Int(check.function.number)) {
        state.typeCheck = nil
      }
    }
  }

  // MARK: The interrupt flag

  private func flagsWord(of state: MachineState) -> AbstractValue {
    let bit = convention.interruptBit
    if state.interrupts == .unknown { return .unknown }
    let isSet = (state.interrupts == .on) == convention.interruptBitMeansEnabled
    return AbstractValue(kind: isSet ? .bits(zeros: 0, ones: bit) : .bits(zeros: bit, ones: 0))
  }

  private func interruptFlag(in word: AbstractValue) -> InterruptFlag {
    let bit = convention.interruptBit
    let isSet: Bool
    switch word.kind {
    case .bits(_, let ones) where ones & bit != 0: isSet = true
    case .bits(let zeros, _) where zeros & bit != 0: isSet = false
    case .interval(let low, let high, bits: 64) where low == high: isSet = low & bit != 0
    default: return .unknown
    }
    return isSet == convention.interruptBitMeansEnabled ? .on : .off
  }

  // MARK: Branches

  /// Whether a branch can be taken, or not taken; `nil` when both may happen.
  func outcome(of condition: Instruction.Condition, in state: MachineState) -> Bool? {
    guard let comparison = state.comparison else { return nil }
    if comparison.isTest {
      guard condition == .equal || condition == .notEqual,
        let isZero = isZero(comparison.left, and: comparison.right, comparison.bits)
      else { return nil }
      return isZero == (condition == .equal)
    }
    let left = state.named(comparison.left)
    guard case .interval(let low, let high, bits: 64) = left.kind,
      let right = state.named(comparison.right).constant
    else { return nil }
    switch condition {
    case .equal: return low == high ? low == right : right < low || right > high ? false : nil
    case .notEqual: return low == high ? low != right : right < low || right > high ? true : nil
    case .below: return high < right ? true : low >= right ? false : nil
    case .aboveOrEqual: return low >= right ? true : high < right ? false : nil
    case .belowOrEqual: return high <= right ? true : low > right ? false : nil
    case .above: return low > right ? true : high <= right ? false : nil
    case .other: return nil
    }
  }

  private func isZero(_ a: AbstractValue, and b: AbstractValue, _ bits: UInt8) -> Bool? {
    let mask = AbstractValue.mask(bits)
    func known(_ value: AbstractValue) -> (zeros: UInt64, ones: UInt64) {
      if let number = value.constant { return (~number, number) }
      if case .bits(let zeros, let ones) = value.kind { return (zeros, ones) }
      return (0, 0)
    }
    let (x, y) = (known(a), known(b))
    if x.ones & y.ones & mask != 0 { return false }
    if (x.zeros | y.zeros) & mask == mask { return true }
    return nil
  }

  /// Notes what is known where a condition holds.
  func assume(_ condition: Instruction.Condition, in state: inout MachineState) {
    guard let comparison = state.comparison else { return }
    if comparison.isTest {
      guard comparison.left == comparison.right, comparison.left.origin != 0 else { return }
      if condition == .equal { state.bind(comparison.left, bits: comparison.bits, 0, 0) }
      return
    }
    guard comparison.left.origin != 0, let right = comparison.right.constant else { return }
    let all = AbstractValue.mask(comparison.bits)
    switch condition {
    case .equal: state.bind(comparison.left, bits: comparison.bits, right, right)
    case .below where right > 0:
      state.bind(comparison.left, bits: comparison.bits, 0, right - 1)
    case .belowOrEqual: state.bind(comparison.left, bits: comparison.bits, 0, right)
    case .above where right < all:
      state.bind(comparison.left, bits: comparison.bits, right + 1, all)
    case .aboveOrEqual: state.bind(comparison.left, bits: comparison.bits, right, all)
    default: break
    }
  }
}
