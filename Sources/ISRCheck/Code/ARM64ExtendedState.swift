/// Vector instructions of AArch64 that do not access memory, all of SVE and SME (Arm ARM, C4.1).
///
/// What writes a general register reads vectors at most: `fmov` and conversions to general
/// registers, comparisons. Sticky exception flags in FPSR are not counted as written.
extension ARM64Reading {
  // MARK: Floating point and Advanced SIMD (C4.1.97)

  func readFloatingPoint(into result: inout Instruction) -> Bool {
    // Scalar floating point.
    if !bit(30) && field(24, 5) == 0b11110 && !bit(29) {
      readScalar(into: &result)
    } else if word & 0xbfe0_8400 == 0x0e00_0400,
      field(11, 4) == 0b0101 || field(11, 4) == 0b0111
    {
      // `smov`, `umov`
      result.overwrites = written(d)
      result.extendedReads = .simd
    } else {
      result.extendedWrites = .simd
    }
    return true
  }

  private func readScalar(into result: inout Instruction) {
    result.extendedReads = .simd
    if !bit(21) {
      // Between floating and fixed point.
      if field(17, 2) == 0 {
        result.overwrites = written(d)
      } else {
        setVectorWrite(into: &result)
      }
      return
    }
    switch field(10, 6) {
    case 0b000000 where isConversionToGeneral:
      result.overwrites = written(d)
      // `fjcvtzs` sets the flags.
      if field(16, 5) == 0b11_110 { result.operation = .changesFlags }
    case let code where !bit(31) && code & 0b001111 == 0b001000:
      result.operation = .changesFlags  // `fcmp`
    case let code where !bit(31) && code & 0b11 == 0b01:
      result.operation = .changesFlags  // `fccmp`
    default: setVectorWrite(into: &result)
    }
  }

  private func setVectorWrite(into result: inout Instruction) {
    result.extendedReads = []
    result.extendedWrites = .simd
  }

  /// Whether a conversion, by its rounding mode and operation, ends in a general register.
  private var isConversionToGeneral: Bool {
    switch (field(19, 2), field(16, 3)) {
    case (_, 0b000...0b001), (0b00, 0b100...0b110), (0b01, 0b110): true
    case (0b11, 0b110): field(22, 2) == 0b01
    default: false
    }
  }

  // MARK: SVE (C4.1.35 and following)

  func readScalableVector(into result: inout Instruction) -> Bool {
    let both: ExtendedState = [.sve, .simd]
    switch field(29, 3) {
    case 0b111:
      result.extendedReads = both
      result.writesMemory = true
      result.operation = .overwrite(scalableMemory)
    case 0b100, 0b110:
      if isScalablePrefetch {
        result.extendedReads = .sve
      } else {
        result.extendedWrites = both
      }
    case 0b101: result.extendedWrites = both
    default:
      switch scalableEffect {
      case .general: result.overwrites = written(d)
      case .pointer: result.overwrites = RegisterSet(pointer(d))
      case .generalFromVectors:
        result.overwrites = written(d)
        result.extendedReads = .sve
      case .flags: result.operation = .changesFlags
      case .test:
        result.extendedReads = .sve
        result.operation = .changesFlags
      case .vectors:
        result.extendedWrites = both
        result.operation = .changesFlags
      }
    }
    return true
  }

  /// How long a vector is shows when it runs: anything from the base on, or anything at all.
  private var scalableMemory: Memory { Memory(size: 0, isSegmented: true) }

  /// `prf*` (C7.2, SVE PRFB and following).
  private var isScalablePrefetch: Bool {
    guard !bit(4) else { return false }
    if word & 0xffc0_8000 == 0x85c0_0000 { return true }
    if word & 0xfe60_e000 == 0x8400_c000 || word & 0xfe60_e000 == 0x8400_e000 { return true }
    if word & 0xffa0_8000 == 0x8420_0000 || word & 0xffa0_8000 == 0xc420_0000 { return true }
    return word & 0xffe0_8000 == 0xc460_8000 || word & 0xfe60_e000 == 0xc400_e000
  }

  private enum ScalableEffect {
    case vectors, general, pointer, generalFromVectors, flags, test
  }

  /// What an SVE instruction without memory changes; all that is not told apart is `vectors`.
  private var scalableEffect: ScalableEffect {
    switch field(24, 8) {
    case 0x04 where bit(21):
      // `addvl`, `addpl` and those of the streaming length; `rdvl`, `rdsvl`.
      if field(12, 4) == 0b0101 { return bit(23) ? .general : .pointer }
      // `cntb`, `incb`, `sqincb` and those of their kind.
      return field(13, 3) == 0b111 ? .general : .vectors
    case 0x05:
      // `lasta`, `lastb`, `clasta`, `clastb`
      let isLast = field(17, 5) == 0b10000 || field(17, 5) == 0b11000
      return isLast && field(13, 3) == 0b101 ? .generalFromVectors : .vectors
    case 0x25:
      if word & 0xff20_fc0f == 0x2520_2000 { return .flags }  // `ctermeq`, `ctermne`
      if word & 0xffff_c21f == 0x2550_c000 { return .test }  // `ptest`
      if field(19, 3) == 0b100 && field(14, 2) == 0b10 { return .generalFromVectors }  // `cntp`
      // `incp`, `decp` and the saturating ones.
      return field(19, 3) == 0b101 && field(11, 5) == 0b10001 ? .generalFromVectors : .vectors
    default: return .vectors
    }
  }

  // MARK: SME (C4.1.1)

  func readMatrix(into result: inout Instruction) -> Bool {
    // Loads and stores have bit 29, stores also bit 21.
    let isMemory = field(25, 4) == 0 && bit(29)
    if isMemory && bit(21) {
      result.extendedReads = .allARM
      result.writesMemory = true
      result.operation = .overwrite(scalableMemory)
      return true
    }
    // `movt` writes a general register.
    if word & 0xffff_0fe0 == 0xc04c_03e0 { result.overwrites = written(d) }
    result.extendedWrites = .allARM
    return true
  }
}
