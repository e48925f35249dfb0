/// Loads and stores: what the frame and constant memory hold, and what a write ends.
extension Interpreter {
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
  func openTable(_ memory: Memory, in state: MachineState) -> ConstantSets.List? {
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
  func tableBase(of memory: Memory, in state: MachineState) -> UInt64 {
    if memory.isSegmented { return 0 }
    guard let base = memory.base else {
      return memory.index == nil ? 0 : UInt64(bitPattern: memory.displacement)
    }
    if let constant = state[base].constant, memory.index != nil, memory.displacement == 0 {
      return constant
    }
    return memory.index == nil ? UInt64(bitPattern: memory.displacement) : 0
  }

  func store(
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
  func overwrite(
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
  func noteEscape(in state: inout MachineState) {
    for number in state.registers.indices where state.registers[number].mayPointIntoFrame {
      let register = Register(UInt8(number))
      if register != stackPointer && register != convention.framePointer {
        state.frameHasEscaped = true
      }
    }
  }
}
