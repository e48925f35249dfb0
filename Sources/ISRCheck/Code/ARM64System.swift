/// Hints, barriers and system registers of AArch64 (Arm ARM, C4.1.94 and C5).
extension ARM64Reading {
  func readSystem(into result: inout Instruction) -> Bool {
    // `msrr`, `mrrs` and `sysp` of pairs of registers.
    if bit(22) {
      if bit(21) && !bit(23) { result.overwrites = written(d).union(written(d &+ 1 & 31)) }
      return !bit(23)
    }
    guard !bit(23) else { return false }
    switch (bit(21), field(19, 2)) {
    case (false, 0b00): return readStateOrHint(into: &result)
    case (false, 0b01):
      if isZeroing {
        result.writesMemory = true
        result.operation =
          d == 31
          ? .overwrite(Memory(size: 0, isSegmented: true))
          : .overwrite(Memory(base: Register(UInt8(d)), size: 0))
      }
    case (false, _): writeSystemRegister(into: &result)
    // `sysl`, `tstart` and the like.
    case (true, 0b00), (true, 0b01): result.overwrites = written(d)
    case (true, _): readSystemRegister(into: &result)
    }
    return true
  }

  /// `dc zva`, `dc gva`, `dc gzva`, which write a block of memory.
  private var isZeroing: Bool {
    switch field(5, 14) {
    case 0b011_0111_0100_001, 0b011_0111_0100_011, 0b011_0111_0100_100: true
    default: false
    }
  }

  private func readStateOrHint(into result: inout Instruction) -> Bool {
    switch field(12, 4) {
    case 0b0010 where field(16, 3) == 3:
      guard d == 31 else { return false }
      result.overwrites = hintWrites
    case 0b0100: readStateField(into: &result)
    // Barriers, `wfet`, and what is not defined yet.
    default: break
    }
    return true
  }

  /// What hints do to registers: some sign and check addresses (C5.6 of those).
  private var hintWrites: RegisterSet {
    switch field(5, 7) {
    case 7, 24...31: [30]
    case 8, 10, 12, 14: [17]
    case 40: [16]
    default: []
    }
  }

  /// `msr` with an immediate (C5.6, MSR (immediate)).
  private func readStateField(into result: inout Instruction) {
    let value = field(8, 4)
    switch (field(16, 3), field(5, 3)) {
    case (3, 6) where value & 2 != 0: result.operation = .disableInterrupts
    case (3, 7) where value & 2 != 0: result.operation = .enableInterrupts
    // `smstart`, `smstop`: entering and leaving streaming mode clears the vector registers.
    case (3, 3): result.extendedWrites = .allARM
    // `cfinv`, `xaflag`, `axflag`.
    case (0, 0...2): result.operation = .changesFlags
    // Another stack pointer is the stack pointer from here on.
    case (0, 5): result.overwrites = [31]
    default: break
    }
  }

  /// `op0:op1:CRn:CRm:op2`, by which system registers are named.
  private var systemRegister: UInt32 { field(5, 16) }

  private enum SystemRegister {
    static let spSel: UInt32 = 0b11_000_0100_0010_000
    static let nzcv: UInt32 = 0b11_011_0100_0010_000
    static let daif: UInt32 = 0b11_011_0100_0010_001
    static let svcr: UInt32 = 0b11_011_0100_0010_010
    static let fpcr: UInt32 = 0b11_011_0100_0100_000
    static let fpsr: UInt32 = 0b11_011_0100_0100_001
    static let fpmr: UInt32 = 0b11_011_0100_0100_010
    static let rndr: UInt32 = 0b11_011_0010_0100_000
    static let rndrrs: UInt32 = 0b11_011_0010_0100_001
    /// ZCR and SMCR of any exception level; op1 is masked.
    static let zcr: UInt32 = 0b11_000_0001_0010_000
    static let smcr: UInt32 = 0b11_000_0001_0010_110
    static let anyLevel: UInt32 = ~0b00_111_0000_0000_000
  }

  private func readSystemRegister(into result: inout Instruction) {
    result.overwrites = written(d)
    switch systemRegister {
    case SystemRegister.daif where d != 31:
      result.operation = .readInterruptFlags(Register(UInt8(d)))
    case SystemRegister.fpcr, SystemRegister.fpsr, SystemRegister.fpmr:
      result.extendedReads = .simd
    case SystemRegister.svcr: result.extendedReads = .sme
    case SystemRegister.rndr, SystemRegister.rndrrs: result.operation = .changesFlags
    default: break
    }
  }

  private func writeSystemRegister(into result: inout Instruction) {
    switch systemRegister {
    case SystemRegister.daif:
      // All zeroes: nothing is masked.
      result.operation = d == 31 ? .enableInterrupts : .writeInterruptFlags(Register(UInt8(d)))
    case SystemRegister.nzcv: result.operation = .changesFlags
    case SystemRegister.spSel: result.overwrites = [31]
    case SystemRegister.fpcr, SystemRegister.fpsr, SystemRegister.fpmr:
      result.extendedWrites = .simd
    case SystemRegister.svcr: result.extendedWrites = .allARM
    default:
      // A new vector length changes what registers hold.
      switch systemRegister & SystemRegister.anyLevel {
      case SystemRegister.zcr: result.extendedWrites = .sve
      case SystemRegister.smcr: result.extendedWrites = .sme
      default: break
      }
    }
  }
}
