/// Data processing of AArch64 with immediates and general registers (Arm ARM, C4.1.93, C4.1.96).
extension ARM64Reading {
  // MARK: With an immediate

  func readImmediate(into result: inout Instruction) -> Bool {
    switch field(23, 3) {
    case 0b000, 0b001: readAddress(into: &result)
    case 0b010: readAddImmediate(into: &result)
    case 0b011:
      // `addg` and `subg` write tags of a pointer; with bit 22 minimum and maximum.
      result.overwrites = bit(22) ? written(d) : RegisterSet(pointer(d))
    case 0b100: return readLogicalImmediate(into: &result)
    case 0b101: return readMoveWide(into: &result)
    case 0b110: return readBitField(into: &result)
    // `autiasppc` (FEAT_PAuth_LR) checks the link register.
    default: result.overwrites = field(29, 2) == 0b11 ? [30] : written(d)
    }
    return true
  }

  private func readAddress(into result: inout Instruction) {
    let offset = signed(5, 19) << 2 | Int64(field(29, 2))
    let value =
      bit(31)
      ? (address & ~0xfff) &+ UInt64(bitPattern: offset << 12)
      : address &+ UInt64(bitPattern: offset)
    setCopy(of: .immediate(value), bits: 64, into: &result)
  }

  /// The destination becomes an operand, unless it is the zero register.
  private func setCopy(of source: Operand, bits: UInt8, into result: inout Instruction) {
    guard d != 31 else { return }
    result.overwrites = written(d)
    result.operation = .copy(
      to: Register(UInt8(d)), from: source, bits: bits, signExtends: false, resultBits: bits)
  }

  private func readAddImmediate(into result: inout Instruction) {
    let number = UInt64(field(10, 12)) << (bit(22) ? 12 : 0)
    let left = Operand.register(pointer(n))
    if bit(29) {
      return setSum(left, .immediate(number), into: &result)
    }
    let target = pointer(d)
    result.overwrites = RegisterSet(target)
    result.operation =
      number == 0
      ? .copy(to: target, from: left, bits: bits, signExtends: false, resultBits: bits)
      : .arithmetic(
        bit(30) ? .subtract : .add, to: target, left, .immediate(number), bits: bits,
        setsFlags: false)
  }

  /// Sums and differences whose destination may be the zero register.
  private func setSum(_ left: Operand, _ right: Operand, into result: inout Instruction) {
    let setsFlags = bit(29)
    if d != 31 {
      result.overwrites = written(d)
      result.operation = .arithmetic(
        bit(30) ? .subtract : .add, to: Register(UInt8(d)), left, right, bits: bits,
        setsFlags: setsFlags)
    } else if setsFlags {
      result.operation = bit(30) ? .compare(left, right, bits: bits) : .changesFlags
    }
  }

  private func readLogicalImmediate(into result: inout Instruction) -> Bool {
    guard let mask = logicalImmediate else { return false }
    let left = operand(n)
    let kind = field(29, 2)
    if kind == 0b11 {
      setLogical(.and, left, .immediate(mask), setsFlags: true, into: &result)
      return true
    }
    let target = pointer(d)
    result.overwrites = RegisterSet(target)
    if kind == 0b01 && n == 31 {
      result.operation = .copy(
        to: target, from: .immediate(mask), bits: bits, signExtends: false, resultBits: bits)
    } else {
      let operations: [Instruction.Arithmetic] = [.and, .or, .exclusiveOr]
      result.operation = .arithmetic(
        operations[Int(kind)], to: target, left, .immediate(mask), bits: bits, setsFlags: false)
    }
    return true
  }

  /// The bit mask that N, immr and imms stand for (pseudocode DecodeBitMasks, J1.3).
  var logicalImmediate: UInt64? {
    let (isWide, rotation, length) = (bit(22), field(16, 6), field(10, 6))
    guard bit(31) || !isWide else { return nil }
    // The size of the element shows in the highest bit of N:NOT(imms).
    let sizes = (isWide ? 64 : 0) | ~length & 63
    guard sizes > 1 else { return nil }
    let size = UInt64(1) << UInt64(31 - sizes.leadingZeroBitCount)
    let ones = UInt64(length) & (size - 1) + 1
    guard ones < size else { return nil }
    let turn = UInt64(rotation) & (size - 1)
    let run = (UInt64(1) << ones) - 1
    let elementMask = AbstractValue.mask(UInt8(size))
    var element = run
    if turn > 0 { element = (run >> turn | run << (size - turn)) & elementMask }
    var filled = size
    while filled < 64 {
      element |= element << filled
      filled *= 2
    }
    return element & AbstractValue.mask(bits)
  }

  private func readMoveWide(into result: inout Instruction) -> Bool {
    let shift = UInt64(field(21, 2)) * 16
    guard bit(31) || shift < 32 else { return false }
    let number = UInt64(field(5, 16)) << shift
    switch field(29, 2) {
    case 0b00:
      setCopy(of: .immediate(~number & AbstractValue.mask(bits)), bits: bits, into: &result)
    case 0b10: setCopy(of: .immediate(number), bits: bits, into: &result)
    case 0b11:
      guard d != 31 else { return true }
      result.overwrites = written(d)
      // In 32 bits the upper half becomes zero.
      let mask = 0xffff << shift | ~AbstractValue.mask(bits)
      result.operation = .insert(to: Register(UInt8(d)), value: number, mask: mask)
    default: return false
    }
    return true
  }

  /// `ubfm`, `sbfm`, `bfm` with the shifts and extensions that they also are.
  private func readBitField(into result: inout Instruction) -> Bool {
    let (rotation, top) = (UInt64(field(16, 6)), UInt64(field(10, 6)))
    let size = UInt64(bits)
    guard bit(22) == bit(31), rotation < size, top < size, field(29, 2) != 0b11 else {
      return false
    }
    result.overwrites = written(d)
    guard d != 31, field(29, 2) != 0b01 else { return true }
    let (target, source) = (Register(UInt8(d)), operand(n))
    let isSigned = field(29, 2) == 0b00
    if rotation == 0 {
      result.operation = .copy(
        to: target, from: source, bits: UInt8(top + 1), signExtends: isSigned && top + 1 < size,
        resultBits: bits)
    } else if !isSigned && top == size - 1 {
      result.operation = .arithmetic(
        .shiftRight, to: target, source, .immediate(rotation), bits: bits, setsFlags: false)
    } else if !isSigned && top + 1 == rotation {
      result.operation = .arithmetic(
        .shiftLeft, to: target, source, .immediate(size - rotation), bits: bits, setsFlags: false)
    }
    return true
  }

  // MARK: With registers

  func readRegister(into result: inout Instruction) -> Bool {
    if !bit(28) {
      if !bit(24) { return readLogical(into: &result) }
      return bit(21) ? readAddExtended(into: &result) : readAddShifted(into: &result)
    }
    switch field(21, 4) {
    case 0b0000: readAddWithCarry(into: &result)
    case 0b0010: result.operation = .changesFlags  // `ccmp`, `ccmn`
    case 0b0100: readConditionalSelect(into: &result)
    case 0b0110:
      // `irg` may write the stack pointer; `subps` sets the flags.
      let isTag = !bit(30) && field(10, 6) == 0b000100
      result.overwrites = isTag ? RegisterSet(pointer(d)) : written(d)
      if bit(29) { result.operation = .changesFlags }
    case 0b1000...0b1111:
      result.overwrites = written(d)
      // `mul` is `madd` with the zero register.
      if field(21, 3) == 0, field(10, 6) == 0b011111, d != 31 {
        result.operation = .arithmetic(
          .multiply, to: Register(UInt8(d)), operand(n), operand(m), bits: bits, setsFlags: false)
      }
    default: return false
    }
    return true
  }

  /// Whether a shifted register is one that is not shifted; `nil` for no instruction.
  private var isShifted: Bool? {
    let amount = field(10, 6)
    guard bit(31) || amount < 32 else { return nil }
    return amount != 0 || field(22, 2) != 0
  }

  private func readLogical(into result: inout Instruction) -> Bool {
    guard let isShifted else { return false }
    let kind = field(29, 2)
    result.overwrites = written(d)
    if isShifted || bit(21) {
      if kind == 0b11 { result.operation = .changesFlags }
    } else if kind == 0b01 && n == 31 {
      setCopy(of: operand(m), bits: bits, into: &result)
    } else {
      let operations: [Instruction.Arithmetic] = [.and, .or, .exclusiveOr, .and]
      setLogical(
        operations[Int(kind)], operand(n), operand(m), setsFlags: kind == 0b11, into: &result)
    }
    return true
  }

  private func setLogical(
    _ kind: Instruction.Arithmetic, _ left: Operand, _ right: Operand, setsFlags: Bool,
    into result: inout Instruction
  ) {
    if d != 31 {
      result.overwrites = written(d)
      result.operation = .arithmetic(
        kind, to: Register(UInt8(d)), left, right, bits: bits, setsFlags: setsFlags)
    } else if setsFlags {
      result.operation = .test(left, right, bits: bits)
    }
  }

  private func readAddShifted(into result: inout Instruction) -> Bool {
    guard field(22, 2) != 0b11, let isShifted else { return false }
    if !isShifted {
      setSum(operand(n), operand(m), into: &result)
      return true
    }
    result.overwrites = written(d)
    // An addition of a register shifted left is what a memory operand does.
    if field(22, 2) == 0 && field(10, 6) < 8, d != 31, m != 31, field(29, 2) == 0 {
      let index = Memory(
        base: n == 31 ? nil : Register(UInt8(n)), index: Register(UInt8(m)),
        scale: 1 << UInt8(field(10, 6)), size: 0)
      result.operation = .address(to: Register(UInt8(d)), index, bits: bits)
    } else if bit(29) {
      result.operation = .changesFlags
    }
    return true
  }

  private func readAddExtended(into result: inout Instruction) -> Bool {
    let shift = field(10, 3)
    let option = field(13, 3)
    guard field(22, 2) == 0, shift <= 4 else { return false }
    let left = Operand.register(pointer(n))
    // What is as long as the operation is not extended.
    let isWhole = shift == 0 && (option & 0b011 == 0b011 || !bit(31) && option & 0b011 == 0b010)
    if bit(29) {
      result.overwrites = written(d)
      result.operation = .changesFlags
      if isWhole { setSum(left, operand(m), into: &result) }
      return true
    }
    let target = pointer(d)
    result.overwrites = RegisterSet(target)
    if isWhole {
      result.operation = .arithmetic(
        bit(30) ? .subtract : .add, to: target, left, operand(m), bits: bits, setsFlags: false)
    } else if !bit(30), option < 0b100, m != 31 {
      let index = Memory(
        base: pointer(n), index: Register(UInt8(m)), scale: 1 << UInt8(shift), size: 0,
        indexBits: 8 << UInt8(option))
      result.operation = .address(to: target, index, bits: bits)
    }
    return true
  }

  private func readAddWithCarry(into result: inout Instruction) {
    if field(10, 6) == 0 {
      result.overwrites = written(d)
      if bit(29) { result.operation = .changesFlags }
    } else if field(13, 3) == 0b001 && !bit(29) {
      // `addpt`, `subpt` (FEAT_CPA).
      result.overwrites = RegisterSet(pointer(d))
    } else {
      // `rmif`, `setf8`, `setf16`.
      result.operation = .changesFlags
    }
  }

  private func readConditionalSelect(into result: inout Instruction) {
    result.overwrites = written(d)
    guard d != 31, !bit(30), !bit(10), !bit(29) else { return }
    let condition = condition(field(12, 4))
    let target = Register(UInt8(d))
    if d == n {
      result.operation = .conditionalCopy(
        to: target, from: operand(m), bits: bits, condition.negated)
    } else if d == m {
      result.operation = .conditionalCopy(to: target, from: operand(n), bits: bits, condition)
    }
  }
}
