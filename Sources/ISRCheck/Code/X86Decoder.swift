import CZydis

/// Decodes x86-64 by Zydis: where control goes, and what `X86Operations` and `X86ExtendedState`
/// read off the operands.
struct X86Decoder: InstructionDecoder {
  private var decoder = ZydisDecoder()
  private var formatter = ZydisFormatter()

  init() {
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL)
  }

  func decode(_ bytes: UnsafeRawBufferPointer, at address: UInt64) -> Instruction? {
    decoded(bytes) { instruction, operands in
      X86Reading(instruction: instruction, operands: operands, address: address).result
    }
  }

  func text(_ bytes: UnsafeRawBufferPointer, at address: UInt64) -> String? {
    decoded(bytes) { instruction, operands in
      withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
        guard let text = buffer.baseAddress else { return nil }
        let status = withUnsafePointer(to: instruction) { instruction in
          withUnsafePointer(to: formatter) { formatter in
            ZydisFormatterFormatInstruction(
              formatter, instruction, operands.baseAddress,
              instruction.pointee.operand_count_visible,
              text, buffer.count, address, nil)
          }
        }
        return Self.succeeded(status) ? String(cString: text) : nil
      }
    }
  }

  /// What Zydis makes of bytes; nothing is allocated.
  private func decoded<Result>(
    _ bytes: UnsafeRawBufferPointer,
    _ body: (ZydisDecodedInstruction, UnsafeMutableBufferPointer<ZydisDecodedOperand>) -> Result?
  ) -> Result? {
    withUnsafeTemporaryAllocation(
      of: ZydisDecodedOperand.self, capacity: Int(ZYDIS_MAX_OPERAND_COUNT)
    ) { operands in
      var instruction = ZydisDecodedInstruction()
      let status = withUnsafePointer(to: decoder) {
        ZydisDecoderDecodeFull(
          $0, bytes.baseAddress, ZyanUSize(bytes.count), &instruction, operands.baseAddress)
      }
      return Self.succeeded(status) ? body(instruction, operands) : nil
    }
  }

  /// Zydis' statuses have their top bit set when something failed.
  private static func succeeded(_ status: ZyanStatus) -> Bool { status & 0x8000_0000 == 0 }
}

/// One decoded instruction of x86-64, turned into what the analysis knows.
struct X86Reading {
  let instruction: ZydisDecodedInstruction
  let operands: UnsafeMutableBufferPointer<ZydisDecodedOperand>
  let address: UInt64

  /// The mnemonic's number, for switches.
  var mnemonic: ZydisMnemonic { instruction.mnemonic }
  var end: UInt64 { address &+ UInt64(instruction.length) }
  var all: Slice<UnsafeMutableBufferPointer<ZydisDecodedOperand>> {
    operands.prefix(Int(instruction.operand_count))
  }

  var result: Instruction {
    var result = Instruction(address: address, length: instruction.length)
    result.flow = flow
    readOperation(into: &result)
    readExtendedState(into: &result)
    return result
  }

  // MARK: Where control goes

  private var flow: Instruction.Flow {
    switch instruction.meta.category {
    case ZYDIS_CATEGORY_CALL:
      return destination.map { .call($0) } ?? .indirectCall(indirectTarget)
    case ZYDIS_CATEGORY_UNCOND_BR:
      return destination.map { .jump($0) } ?? .indirectJump(indirectTarget)
    case ZYDIS_CATEGORY_COND_BR:
      return destination.map { .branch($0, condition) } ?? .next
    case ZYDIS_CATEGORY_RET:
      return mnemonic == ZYDIS_MNEMONIC_RET && isNear ? .return : .interruptReturn
    default: break
    }
    switch mnemonic {
    case ZYDIS_MNEMONIC_UD0, ZYDIS_MNEMONIC_UD1, ZYDIS_MNEMONIC_UD2: return .stop
    case ZYDIS_MNEMONIC_SYSRET, ZYDIS_MNEMONIC_SYSEXIT, ZYDIS_MNEMONIC_RSM: return .interruptReturn
    case ZYDIS_MNEMONIC_XBEGIN: return destination.map { .branch($0, .other) } ?? .next
    default: return .next
    }
  }

  private var isNear: Bool { instruction.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR }

  /// The place to which a relative branch goes.
  private var destination: UInt64? {
    let operand = operands[0]
    guard operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE, operand.imm.is_relative != 0 else {
      return nil
    }
    return end &+ UInt64(bitPattern: operand.imm.value.s)
  }

  /// Through a register or memory; of a far one nothing is known.
  private var indirectTarget: Operand {
    let operand = operands[0]
    if isNear, operand.type == ZYDIS_OPERAND_TYPE_REGISTER,
      let register = generalRegister(operand.reg.value)
    {
      return .register(register)
    }
    if isNear, operand.type == ZYDIS_OPERAND_TYPE_MEMORY, let memory = memory(operand) {
      return .memory(memory)
    }
    return .memory(Memory(size: 8, isSegmented: true))
  }

  /// The condition of a branch or a conditional copy.
  var condition: Instruction.Condition {
    switch mnemonic {
    case ZYDIS_MNEMONIC_JZ, ZYDIS_MNEMONIC_CMOVZ: .equal
    case ZYDIS_MNEMONIC_JNZ, ZYDIS_MNEMONIC_CMOVNZ: .notEqual
    case ZYDIS_MNEMONIC_JB, ZYDIS_MNEMONIC_CMOVB: .below
    case ZYDIS_MNEMONIC_JBE, ZYDIS_MNEMONIC_CMOVBE: .belowOrEqual
    case ZYDIS_MNEMONIC_JNB, ZYDIS_MNEMONIC_CMOVNB: .aboveOrEqual
    case ZYDIS_MNEMONIC_JNBE, ZYDIS_MNEMONIC_CMOVNBE: .above
    default: .other
    }
  }

  // MARK: Operands

  /// The number of the register of 64 bits that a general register is a part of.
  func generalRegister(_ register: ZydisRegister) -> Register? {
    switch ZydisRegisterGetClass(register) {
    case ZYDIS_REGCLASS_GPR64, ZYDIS_REGCLASS_GPR32, ZYDIS_REGCLASS_GPR16, ZYDIS_REGCLASS_GPR8:
      let whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, register)
      return Register(UInt8(truncatingIfNeeded: whole.rawValue &- ZYDIS_REGISTER_RAX.rawValue))
    default: return nil
    }
  }

  /// The low part of a general register; AH, BH, CH and DH are none.
  private func lowPart(_ register: ZydisRegister) -> Register? {
    switch register {
    case ZYDIS_REGISTER_AH, ZYDIS_REGISTER_BH, ZYDIS_REGISTER_CH, ZYDIS_REGISTER_DH: nil
    default: generalRegister(register)
    }
  }

  func memory(_ operand: ZydisDecodedOperand) -> Memory? {
    let access = operand.mem
    guard instruction.address_width == 64 else { return nil }
    var memory = Memory(
      displacement: access.disp.has_displacement != 0 ? access.disp.value : 0,
      size: UInt8(clamping: Int(operand.size) / 8))
    memory.isSegmented =
      access.segment == ZYDIS_REGISTER_FS || access.segment == ZYDIS_REGISTER_GS
    if access.base == ZYDIS_REGISTER_RIP {
      memory.displacement = Int64(bitPattern: end) &+ memory.displacement
    } else if access.base != ZYDIS_REGISTER_NONE {
      guard let base = generalRegister(access.base) else { return nil }
      memory.base = base
    }
    if access.index != ZYDIS_REGISTER_NONE {
      guard let index = generalRegister(access.index) else { return nil }
      memory.index = index
      memory.scale = max(access.scale, 1)
    }
    return memory
  }

  /// An operand whose value can be followed.
  func operand(_ index: Int) -> Operand? {
    let operand = operands[index]
    switch operand.type {
    case ZYDIS_OPERAND_TYPE_REGISTER: return lowPart(operand.reg.value).map { .register($0) }
    case ZYDIS_OPERAND_TYPE_IMMEDIATE: return .immediate(operand.imm.value.u)
    case ZYDIS_OPERAND_TYPE_MEMORY: return memory(operand).map { .memory($0) }
    default: return nil
    }
  }

  /// Whether an operand is changed.
  func isWritten(_ operand: ZydisDecodedOperand) -> Bool {
    let writing = ZYDIS_OPERAND_ACTION_WRITE.rawValue | ZYDIS_OPERAND_ACTION_CONDWRITE.rawValue
    return UInt32(operand.actions) & writing != 0
  }
}
