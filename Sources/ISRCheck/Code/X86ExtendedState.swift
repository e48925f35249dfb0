import CZydis

/// Which extended registers instructions of x86-64 read and write.
///
/// Zydis lists the registers of an instruction, but not all that change without being named: those
/// instructions are told by name here.
extension X86Reading {
  func readExtendedState(into result: inout Instruction) {
    if readNamed(into: &result) { return }
    for operand in all where operand.type == ZYDIS_OPERAND_TYPE_REGISTER {
      let register = operand.reg.value
      let state = group(of: register)
      if state.isEmpty { continue }
      if isWritten(operand) {
        result.extendedWrites.formUnion(state)
        if state.contains(.sse) || state.contains(.avx) {
          result.extendedWrites.formUnion(changedAbove)
        }
      } else {
        result.extendedReads.formUnion(state)
      }
      // Any use of an MMX register marks the x87 stack as full (volume 1, 9.5.1).
      if ZydisRegisterGetClass(register) == ZYDIS_REGCLASS_MMX {
        result.extendedWrites.formUnion(.x87)
      }
    }
    if isX87 { result.extendedWrites.formUnion(.x87) }
    result.extendedReads.subtract(result.extendedWrites)
  }

  /// What a write to a vector register does to its upper parts: legacy instructions leave them
  /// (volume 1, 14.1.2), VEX and EVEX ones clear them.
  private var changedAbove: ExtendedState {
    switch instruction.encoding {
    case ZYDIS_INSTRUCTION_ENCODING_VEX, ZYDIS_INSTRUCTION_ENCODING_XOP: [.sse, .avx]
    case ZYDIS_INSTRUCTION_ENCODING_EVEX, ZYDIS_INSTRUCTION_ENCODING_MVEX: [.sse, .avx, .avx512]
    default: []
    }
  }

  /// A wide register holds the narrow ones.
  private func group(of register: ZydisRegister) -> ExtendedState {
    switch ZydisRegisterGetClass(register) {
    case ZYDIS_REGCLASS_X87, ZYDIS_REGCLASS_MMX: return .x87
    case ZYDIS_REGCLASS_XMM: return ZydisRegisterGetId(register) >= 16 ? .avx512 : .sse
    case ZYDIS_REGCLASS_YMM: return ZydisRegisterGetId(register) >= 16 ? .avx512 : [.sse, .avx]
    case ZYDIS_REGCLASS_ZMM:
      return ZydisRegisterGetId(register) >= 16 ? .avx512 : [.sse, .avx, .avx512]
    case ZYDIS_REGCLASS_MASK: return .avx512
    case ZYDIS_REGCLASS_TMM: return .amx
    default: break
    }
    switch register {
    case ZYDIS_REGISTER_MXCSR: return .sse
    case ZYDIS_REGISTER_X87CONTROL, ZYDIS_REGISTER_X87STATUS, ZYDIS_REGISTER_X87TAG: return .x87
    default: return []
    }
  }

  /// Whether this is an instruction of the x87 unit: all of them change its status word at least.
  private var isX87: Bool {
    switch instruction.meta.isa_ext {
    case ZYDIS_ISA_EXT_X87: mnemonic != ZYDIS_MNEMONIC_FWAIT && mnemonic != ZYDIS_MNEMONIC_FNOP
    default: false
    }
  }

  /// Instructions that are told by their name; returns whether this is one.
  private func readNamed(into result: inout Instruction) -> Bool {
    switch mnemonic {
    case ZYDIS_MNEMONIC_FXSAVE, ZYDIS_MNEMONIC_FXSAVE64: result.extendedSaves = [.x87, .sse]
    case ZYDIS_MNEMONIC_FXRSTOR, ZYDIS_MNEMONIC_FXRSTOR64: result.extendedRestores = [.x87, .sse]
    // EDX:EAX chooses the groups when it runs; whoever writes this means all that is in use.
    case ZYDIS_MNEMONIC_XSAVE, ZYDIS_MNEMONIC_XSAVE64, ZYDIS_MNEMONIC_XSAVEC,
      ZYDIS_MNEMONIC_XSAVEC64, ZYDIS_MNEMONIC_XSAVEOPT, ZYDIS_MNEMONIC_XSAVEOPT64,
      ZYDIS_MNEMONIC_XSAVES, ZYDIS_MNEMONIC_XSAVES64:
      result.extendedSaves = .allX86
    case ZYDIS_MNEMONIC_XRSTOR, ZYDIS_MNEMONIC_XRSTOR64, ZYDIS_MNEMONIC_XRSTORS,
      ZYDIS_MNEMONIC_XRSTORS64:
      result.extendedRestores = .allX86
    // Saves, and then resets the unit.
    case ZYDIS_MNEMONIC_FNSAVE:
      result.extendedSaves = .x87
      result.extendedWrites = .x87
    case ZYDIS_MNEMONIC_FRSTOR: result.extendedRestores = .x87
    case ZYDIS_MNEMONIC_FNSTCW, ZYDIS_MNEMONIC_FNSTSW: result.extendedReads = .x87
    case ZYDIS_MNEMONIC_FNSTENV, ZYDIS_MNEMONIC_FLDENV, ZYDIS_MNEMONIC_FLDCW,
      ZYDIS_MNEMONIC_FNINIT, ZYDIS_MNEMONIC_FNCLEX, ZYDIS_MNEMONIC_EMMS, ZYDIS_MNEMONIC_FEMMS:
      result.extendedWrites = .x87
    case ZYDIS_MNEMONIC_LDMXCSR, ZYDIS_MNEMONIC_VLDMXCSR: result.extendedWrites = .sse
    case ZYDIS_MNEMONIC_STMXCSR, ZYDIS_MNEMONIC_VSTMXCSR: result.extendedReads = .sse
    case ZYDIS_MNEMONIC_VZEROUPPER: result.extendedWrites = [.avx, .avx512]
    case ZYDIS_MNEMONIC_VZEROALL: result.extendedWrites = [.sse, .avx, .avx512]
    case ZYDIS_MNEMONIC_LDTILECFG, ZYDIS_MNEMONIC_TILERELEASE: result.extendedWrites = .amx
    case ZYDIS_MNEMONIC_STTILECFG: result.extendedReads = .amx
    default: return false
    }
    return true
  }
}
