import CZydis

/// What instructions of x86-64 do to general registers, memory and flags.
extension X86Reading {
  func readOperation(into result: inout Instruction) {
    for operand in all where isWritten(operand) {
      if operand.type == ZYDIS_OPERAND_TYPE_REGISTER {
        if let register = generalRegister(operand.reg.value) {
          result.overwrites.formUnion(RegisterSet(register))
        }
      } else if operand.type == ZYDIS_OPERAND_TYPE_MEMORY,
        operand.mem.type == ZYDIS_MEMOP_TYPE_MEM || operand.mem.type == ZYDIS_MEMOP_TYPE_VSIB
      {
        result.writesMemory = true
      }
    }
    if let operation {
      result.operation = operation
      if movesStackPointer { result.overwrites.subtract([4]) }
      return
    }
    if case .next = result.flow {
    } else {
      // Calls and returns move the stack pointer as such.
      result.overwrites.subtract([4])
      return
    }
    if let memory = writtenMemory {
      result.operation = .overwrite(memory)
    } else if changesStatusFlags {
      result.operation = .changesFlags
    }
  }

  /// Whether the operation itself says what becomes of the stack pointer.
  private var movesStackPointer: Bool {
    switch mnemonic {
    case ZYDIS_MNEMONIC_PUSH, ZYDIS_MNEMONIC_POP, ZYDIS_MNEMONIC_LEAVE, ZYDIS_MNEMONIC_PUSHFQ,
      ZYDIS_MNEMONIC_POPFQ:
      true
    default: false
    }
  }

  /// The memory that an instruction changes, as far as it can be told: string instructions change
  /// an unknown length of it.
  private var writtenMemory: Memory? {
    for operand in all
    where operand.type == ZYDIS_OPERAND_TYPE_MEMORY && isWritten(operand) {
      guard var memory = memory(operand) else { return Memory(size: 0, isSegmented: true) }
      let repeats = ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE
      if instruction.attributes & UInt64(repeats) != 0 || operand.size > 64 * 8 { memory.size = 0 }
      return memory
    }
    return nil
  }

  /// Whether one of CF, PF, AF, ZF, SF, OF changes.
  private var changesStatusFlags: Bool {
    guard let flags = instruction.cpu_flags?.pointee else { return false }
    let status: UInt32 = 0b1000_1101_0101
    return (flags.modified | flags.set_0 | flags.set_1 | flags.undefined) & status != 0
  }

  private var operation: Instruction.Operation? {
    switch mnemonic {
    case ZYDIS_MNEMONIC_MOV: return move
    case ZYDIS_MNEMONIC_MOVZX: return copy(signExtends: false)
    case ZYDIS_MNEMONIC_MOVSX, ZYDIS_MNEMONIC_MOVSXD: return copy(signExtends: true)
    case ZYDIS_MNEMONIC_CDQE: return widenAccumulator(32, 64)
    case ZYDIS_MNEMONIC_CWDE: return widenAccumulator(16, 32)
    case ZYDIS_MNEMONIC_LEA:
      guard let target, size == 32 || size == 64, let memory = memory(operands[1]) else {
        return nil
      }
      return .address(to: target, memory, bits: UInt8(size))
    case ZYDIS_MNEMONIC_ADD: return arithmetic(.add)
    case ZYDIS_MNEMONIC_SUB: return arithmetic(.subtract)
    case ZYDIS_MNEMONIC_AND: return arithmetic(.and)
    case ZYDIS_MNEMONIC_OR: return arithmetic(.or)
    case ZYDIS_MNEMONIC_XOR: return arithmetic(.exclusiveOr)
    case ZYDIS_MNEMONIC_SHL: return shift(.shiftLeft)
    case ZYDIS_MNEMONIC_SHR: return shift(.shiftRight)
    // The carry stays what it was, so this is no comparison.
    case ZYDIS_MNEMONIC_INC: return increment(by: 1)
    case ZYDIS_MNEMONIC_DEC: return increment(by: .max)
    case ZYDIS_MNEMONIC_IMUL: return multiplication
    case ZYDIS_MNEMONIC_CMP: return comparison { .compare($0, $1, bits: $2) }
    case ZYDIS_MNEMONIC_TEST: return comparison { .test($0, $1, bits: $2) }
    case ZYDIS_MNEMONIC_CMOVZ, ZYDIS_MNEMONIC_CMOVNZ, ZYDIS_MNEMONIC_CMOVB, ZYDIS_MNEMONIC_CMOVNB,
      ZYDIS_MNEMONIC_CMOVBE, ZYDIS_MNEMONIC_CMOVNBE, ZYDIS_MNEMONIC_CMOVL, ZYDIS_MNEMONIC_CMOVNL,
      ZYDIS_MNEMONIC_CMOVLE, ZYDIS_MNEMONIC_CMOVNLE, ZYDIS_MNEMONIC_CMOVS, ZYDIS_MNEMONIC_CMOVNS,
      ZYDIS_MNEMONIC_CMOVO, ZYDIS_MNEMONIC_CMOVNO, ZYDIS_MNEMONIC_CMOVP, ZYDIS_MNEMONIC_CMOVNP:
      guard let target, size == 32 || size == 64, let source = operand(1) else { return nil }
      return .conditionalCopy(to: target, from: source, bits: UInt8(size), condition)
    default: return stackOperation
    }
  }

  private var stackOperation: Instruction.Operation? {
    switch mnemonic {
    case ZYDIS_MNEMONIC_PUSH:
      // Segment registers and what cannot be followed: some number.
      guard size != 16 else { return nil }
      return .push(operand(0) ?? .memory(Memory(size: 8, isSegmented: true)))
    case ZYDIS_MNEMONIC_POP: return size == 16 ? nil : .pop(target)
    case ZYDIS_MNEMONIC_LEAVE: return .leave
    case ZYDIS_MNEMONIC_PUSHFQ: return .pushFlags
    case ZYDIS_MNEMONIC_POPFQ: return .popFlags
    case ZYDIS_MNEMONIC_CLI: return .disableInterrupts
    case ZYDIS_MNEMONIC_STI: return .enableInterrupts
    default: return nil
    }
  }

  /// The size of the first operand in bits.
  private var size: Int { Int(operands[0].size) }

  /// The general register that is the first operand.
  private var target: Register? {
    operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER
      ? generalRegister(operands[0].reg.value) : nil
  }

  private var isHighPart: Bool {
    guard operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER else { return false }
    switch operands[0].reg.value {
    case ZYDIS_REGISTER_AH, ZYDIS_REGISTER_BH, ZYDIS_REGISTER_CH, ZYDIS_REGISTER_DH: return true
    default: return false
    }
  }

  private var move: Instruction.Operation? {
    guard let source = operand(1) else { return nil }
    if operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY {
      return memory(operands[0]).map { .store($0, source) }
    }
    return copy(signExtends: false)
  }

  private func copy(signExtends: Bool) -> Instruction.Operation? {
    guard let target, !isHighPart, let source = operand(1) else { return nil }
    // A constant is as long as the register, whatever its encoding.
    let bits = operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? size : Int(operands[1].size)
    return .copy(
      to: target, from: source, bits: UInt8(bits), signExtends: signExtends,
      resultBits: UInt8(size))
  }

  private func widenAccumulator(_ bits: UInt8, _ resultBits: UInt8) -> Instruction.Operation {
    .copy(
      to: Register(0), from: .register(Register(0)), bits: bits, signExtends: true,
      resultBits: resultBits)
  }

  private func arithmetic(_ kind: Instruction.Arithmetic) -> Instruction.Operation? {
    guard let target, size == 32 || size == 64, let right = operand(1) else { return nil }
    let left = Operand.register(target)
    if left == right && (kind == .exclusiveOr || kind == .subtract) {
      return .arithmetic(
        .and, to: target, left, .immediate(0), bits: UInt8(size), setsFlags: true)
    }
    return .arithmetic(kind, to: target, left, right, bits: UInt8(size), setsFlags: true)
  }

  private func shift(_ kind: Instruction.Arithmetic) -> Instruction.Operation? {
    guard let target, size == 32 || size == 64, case .immediate(let count)? = operand(1) else {
      return nil
    }
    return .arithmetic(
      kind, to: target, .register(target), .immediate(count & UInt64(size - 1)),
      bits: UInt8(size), setsFlags: true)
  }

  private func increment(by number: UInt64) -> Instruction.Operation? {
    guard let target, size == 32 || size == 64 else { return nil }
    return .arithmetic(
      .add, to: target, .register(target), .immediate(number), bits: UInt8(size), setsFlags: true)
  }

  private var multiplication: Instruction.Operation? {
    guard let target, size == 32 || size == 64, instruction.operand_count_visible > 1,
      let second = operand(1)
    else { return nil }
    let isShort = instruction.operand_count_visible == 2
    guard let factor = isShort ? .register(target) : operand(2) else { return nil }
    return .arithmetic(.multiply, to: target, second, factor, bits: UInt8(size), setsFlags: true)
  }

  private func comparison(
    _ make: (Operand, Operand, UInt8) -> Instruction.Operation
  ) -> Instruction.Operation? {
    guard let left = operand(0), let right = operand(1) else { return nil }
    return make(left, right, UInt8(size))
  }
}
