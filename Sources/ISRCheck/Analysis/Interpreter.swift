/// Follows single instructions: what is known after one, given what was known before it.
///
/// Nothing here knows the flow of a function; see `FunctionExploration`.
struct Interpreter {
  let image: CodeImage
  let convention: CallingConvention
  var sets = ConstantSets()

  var stackPointer: Register { convention.stackPointer }

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

  func name(_ register: Register, in state: inout MachineState, at address: UInt64) {
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

  /// All values that are possible, if they are few.
  func constants(of value: AbstractValue) -> [UInt64]? {
    switch value.kind {
    case .set(let number): return sets[number].isOpen ? nil : sets[number].constants
    case .interval(let low, let high, bits: 64) where high &- low < UInt64(ConstantSets.limit):
      return (0...(high &- low)).map { low &+ $0 }
    default: return nil
    }
  }

  // MARK: Writing

  /// Gives a register a value; it is a new one, so whoever had its name loses it.
  func set(_ register: Register, _ value: AbstractValue, in state: inout MachineState) {
    state[register] = value
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
  mutating func move(_ writeBack: Instruction.WriteBack, _ state: inout MachineState) {
    state[writeBack.base] = add(
      whole(writeBack.base, in: state), UInt64(bitPattern: writeBack.offset))
  }

  /// Registers that an instruction overwrites with what is not known; a base that moves is known.
  func clobber(_ instruction: Instruction, in state: inout MachineState) {
    var rest = instruction.overwrites.rawValue
    if let writeBack = instruction.writeBack { rest &= ~RegisterSet(writeBack.base).rawValue }
    while rest != 0 {
      let number = rest.trailingZeroBitCount
      rest &= rest &- 1
      if number < state.registers.count { state.registers[number] = .unknown }
    }
  }

  mutating func copy(
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

  mutating func push(_ value: AbstractValue, _ state: inout MachineState) {
    let sp = stackPointer
    state[sp] = add(state[sp], 0 &- 8)
    if case .stack(let offset) = state[sp].kind {
      state.slots[offset] = value
    } else if value.mayPointIntoFrame {
      state.frameHasEscaped = true
    }
  }

  // MARK: The interrupt flag

  func flagsWord(of state: MachineState) -> AbstractValue {
    let bit = convention.interruptBit
    if state.interrupts == .unknown { return .unknown }
    let isSet = (state.interrupts == .on) == convention.interruptBitMeansEnabled
    return AbstractValue(kind: isSet ? .bits(zeros: 0, ones: bit) : .bits(zeros: bit, ones: 0))
  }

  func interruptFlag(in word: AbstractValue) -> InterruptFlag {
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
}
