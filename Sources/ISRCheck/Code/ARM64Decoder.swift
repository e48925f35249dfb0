/// Decodes AArch64 by its encoding (Arm ARM, C4.1): where control goes, and what
/// `ARM64Operations`, `ARM64Memory` and `ARM64ExtendedState` read off the fields.
///
/// Not every unallocated word is refused: some read like the instruction beside them.
struct ARM64Decoder: InstructionDecoder {
  func decode(_ bytes: UnsafeRawBufferPointer, at address: UInt64) -> Instruction? {
    Self.reading(bytes, at: address)?.result
  }

  func text(_ bytes: UnsafeRawBufferPointer, at address: UInt64) -> String? {
    guard let reading = Self.reading(bytes, at: address), reading.result != nil else { return nil }
    return reading.text
  }

  private static func reading(
    _ bytes: UnsafeRawBufferPointer, at address: UInt64
  ) -> ARM64Reading? {
    guard bytes.count >= 4 else { return nil }
    // Instructions are little-endian, whatever the data is (B2.8.1).
    let word = UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self))
    return ARM64Reading(word: word, address: address)
  }
}

/// One word of code, turned into what the analysis knows.
struct ARM64Reading {
  let word: UInt32
  let address: UInt64

  /// The instruction, or `nil` for a word that is none.
  var result: Instruction? {
    var result = Instruction(address: address, length: 4)
    let isInstruction =
      switch field(25, 4) {
      case 0b1000, 0b1001: readImmediate(into: &result)
      case 0b1010, 0b1011: readBranch(into: &result)
      case 0b0100, 0b0110, 0b1100, 0b1110: readMemory(into: &result)
      case 0b0101, 0b1101: readRegister(into: &result)
      case 0b0111, 0b1111: readFloatingPoint(into: &result)
      case 0b0010: readScalableVector(into: &result)
      case 0b0000: bit(31) ? readMatrix(into: &result) : readUndefined(into: &result)
      default: false
      }
    return isInstruction ? result : nil
  }

  // MARK: Fields

  @inline(__always)
  func field(_ low: UInt32, _ count: UInt32) -> UInt32 { word >> low & ((1 << count) &- 1) }

  @inline(__always)
  func bit(_ number: UInt32) -> Bool { word >> number & 1 != 0 }

  /// A signed field.
  @inline(__always)
  func signed(_ low: UInt32, _ count: UInt32) -> Int64 {
    Int64(Int32(bitPattern: field(low, count) << (32 - count)) >> Int32(32 - count))
  }

  var d: UInt32 { field(0, 5) }
  var n: UInt32 { field(5, 5) }
  var m: UInt32 { field(16, 5) }
  /// The size of the operation, in most groups.
  var bits: UInt8 { bit(31) ? 64 : 32 }

  /// The register of a number, or zero for the zero register.
  func operand(_ number: UInt32) -> Operand {
    number == 31 ? .immediate(0) : .register(Register(UInt8(number)))
  }

  /// The set of a register that is written; nothing for the zero register.
  func written(_ number: UInt32) -> RegisterSet {
    number == 31 ? [] : RegisterSet(rawValue: 1 << number)
  }

  /// The register where 31 is the stack pointer.
  func pointer(_ number: UInt32) -> Register { Register(UInt8(number)) }

  // MARK: Branches (C4.1.94)

  private func readBranch(into result: inout Instruction) -> Bool {
    switch field(29, 3) {
    case 0b000, 0b100:
      let target = relative(signed(0, 26))
      result.flow = bit(31) ? .call(target) : .jump(target)
      if bit(31) { result.overwrites = [30] }
    case 0b001, 0b101: return readComparingBranch(into: &result)
    case 0b011, 0b111:
      // FEAT_CMPBR: `cb<cc>` of two registers, or of one and an immediate.
      guard !bit(25) else { return false }
      result.flow = .branch(relative(signed(5, 9)), .other)
    case 0b010: return readConditionalBranch(into: &result)
    default:
      if bit(25) { return readRegisterBranch(into: &result) }
      return bit(24) ? readSystem(into: &result) : readException(into: &result)
    }
    return true
  }

  private func relative(_ words: Int64) -> UInt64 {
    address &+ UInt64(bitPattern: words &* 4)
  }

  private func readConditionalBranch(into result: inout Instruction) -> Bool {
    guard !bit(25) else { return false }
    // FEAT_PAuth_LR: `retaasppc` and `retabsppc`.
    if bit(24) {
      result.flow = .return
      return true
    }
    let target = relative(signed(5, 19))
    result.flow = field(1, 3) == 0b111 ? .jump(target) : .branch(target, condition(field(0, 4)))
    return true
  }

  /// `cbz`, `cbnz`, `tbz`, `tbnz`: the comparison is a part of them, and the flags stay; those who
  /// follow the branch must not take its comparison for that of a later one.
  private func readComparingBranch(into result: inout Instruction) -> Bool {
    let condition: Instruction.Condition = bit(24) ? .notEqual : .equal
    if bit(25) {
      let mask: UInt64 = 1 << UInt64(field(31, 1) << 5 | field(19, 5))
      result.flow = .branch(relative(signed(5, 14)), condition)
      result.operation = .test(operand(d), .immediate(mask), bits: 64)
    } else {
      result.flow = .branch(relative(signed(5, 19)), condition)
      result.operation = .compare(operand(d), .immediate(0), bits: bits)
    }
    return true
  }

  private func readRegisterBranch(into result: inout Instruction) -> Bool {
    guard m == 31 else { return false }
    // Zero is a branch to the zero register, which faults.
    let target = operand(n)
    switch field(21, 4) {
    case 0b0000, 0b1000: result.flow = .indirectJump(target)
    case 0b0001, 0b1001:
      result.flow = .indirectCall(target)
      result.overwrites = [30]
    case 0b0010: result.flow = .return
    // `eret` and `drps`.
    case 0b0100, 0b0101: result.flow = .interruptReturn
    default: return false
    }
    return true
  }

  private func readException(into result: inout Instruction) -> Bool {
    guard field(2, 3) == 0 else { return false }
    // What `tcancel` goes back to has been followed from `tstart`.
    switch (field(21, 3), field(0, 2)) {
    case (0b000, 0b01...0b11):
      // `svc`, `hvc`, `smc` return their results in the first registers and may change what a
      // function of the callee does not preserve (SMC Calling Convention, 2.6).
      result.overwrites = RegisterSet(rawValue: (1 << 18) - 1)
      result.operation = .changesFlags
      result.writesMemory = true
    // `brk` and `hlt`, and `dcps`, which is undefined outside of a debugger.
    case (0b001, 0b00), (0b010, 0b00), (0b011, 0b00), (0b101, 0b01...0b11): result.flow = .stop
    default: return false
    }
    return true
  }

  private func readUndefined(into result: inout Instruction) -> Bool {
    guard word >> 16 == 0 else { return false }
    result.flow = .stop
    return true
  }

  /// The meaning of a condition field after a comparison (C1.2.4).
  func condition(_ number: UInt32) -> Instruction.Condition {
    switch number {
    case 0b0000: .equal
    case 0b0001: .notEqual
    case 0b0010: .aboveOrEqual
    case 0b0011: .below
    case 0b1000: .above
    case 0b1001: .belowOrEqual
    default: .other
    }
  }
}
