/// Instructions of AArch64 as an assembler writes them: those that messages show most. All others
/// are words.
extension ARM64Reading {
  var text: String {
    let known =
      switch field(25, 4) {
      case 0b1000, 0b1001, 0b0101, 0b1101: operationText
      case 0b1010, 0b1011: branchText
      case 0b0100, 0b0110, 0b1100, 0b1110: memoryText
      case 0b0111, 0b1111: floatingPointText
      default: nil as String?
      }
    return known ?? ".inst \(hex(UInt64(word)))"
  }

  // MARK: Registers and numbers

  /// A general register; 31 is the zero register, or the stack pointer.
  private func name(_ number: UInt32, bits: UInt8, orStack: Bool = false) -> String {
    if number == 31 { return orStack ? (bits == 64 ? "sp" : "wsp") : (bits == 64 ? "xzr" : "wzr") }
    return (bits == 64 ? "x" : "w") + String(number)
  }

  /// A vector register by the bytes that are used of it.
  private func vector(_ number: UInt32, bytes: UInt8) -> String {
    let letters: [UInt8: String] = [1: "b", 2: "h", 4: "s", 8: "d", 16: "q"]
    return (letters[bytes] ?? "v") + String(number)
  }

  private func hex(_ number: UInt64) -> String { "0x" + String(number, radix: 16) }

  private static let conditions = [
    "eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv",
  ]

  // MARK: Operations on general registers

  private var operationText: String? {
    guard let result else { return nil }
    switch result.operation {
    case .arithmetic(let kind, let to, let left, let right, let bits, let setsFlags):
      let names: [Instruction.Arithmetic: String] = [
        .add: "add", .subtract: "sub", .and: "and", .or: "orr", .exclusiveOr: "eor",
        .shiftLeft: "lsl", .shiftRight: "lsr", .multiply: "mul",
      ]
      guard let name = names[kind] else { return nil }
      return "\(name)\(setsFlags ? "s" : "") \(operand(.register(to), bits)), "
        + "\(operand(left, bits)), \(operand(right, bits))"
    case .copy(let to, let from, let bits, _, let resultBits) where bits == resultBits:
      // `adr` and `adrp` copy an address.
      let isAddress = field(24, 5) == 0b10000
      let mnemonic = isAddress ? (bit(31) ? "adrp" : "adr") : "mov"
      return "\(mnemonic) \(operand(.register(to), bits)), \(operand(from, bits))"
    case .compare(let left, let right, let bits):
      return "cmp \(operand(left, bits)), \(operand(right, bits))"
    case .test(let left, let right, let bits):
      return "tst \(operand(left, bits)), \(operand(right, bits))"
    case .address(let to, let memory, let bits):
      guard let index = memory.index, let base = memory.base, memory.indexBits >= bits else {
        return nil
      }
      let registers = [to, base, index].map { operand(.register($0), bits) }
      return "add \(registers.joined(separator: ", ")), lsl #\(memory.scale.trailingZeroBitCount)"
    default: return nil
    }
  }

  private func operand(_ operand: Operand, _ bits: UInt8) -> String {
    switch operand {
    case .register(let register): return name(UInt32(register.number), bits: bits, orStack: true)
    case .immediate(0) where field(25, 3) == 0b101: return name(31, bits: bits)
    case .immediate(let number): return number <= 0xffff ? "#\(number)" : "#\(hex(number))"
    case .memory: return "?"
    }
  }

  // MARK: Branches and system registers

  private var branchText: String? {
    guard let result else { return nil }
    switch result.flow {
    case .jump(let target):
      return "b\(field(29, 3) == 0b010 ? ".al" : "") \(hex(target))"
    case .call(let target): return "bl \(hex(target))"
    case .branch(let target, _): return branchText(to: target)
    case .indirectJump, .indirectCall:
      guard !bit(24), field(10, 6) == 0, d == 0 else { return nil }
      return (bit(21) ? "blr " : "br ") + name(n, bits: 64)
    case .return: return word == 0xd65f_03c0 ? "ret" : nil
    case .interruptReturn: return word == 0xd69f_03e0 ? "eret" : nil
    case .stop where field(21, 3) == 0b001: return "brk #\(hex(UInt64(field(5, 16))))"
    case .stop: return nil
    case .next: return systemText(result)
    }
  }

  private func branchText(to target: UInt64) -> String? {
    switch (field(29, 2), bit(25)) {
    case (0b10, _):
      return "b\(bit(4) ? "c" : "").\(Self.conditions[Int(field(0, 4))]) \(hex(target))"
    case (0b01, false):
      return "cb\(bit(24) ? "n" : "")z \(name(d, bits: bits)), \(hex(target))"
    case (0b01, true):
      let number = field(31, 1) << 5 | field(19, 5)
      return "tb\(bit(24) ? "n" : "")z \(name(d, bits: bits)), #\(number), \(hex(target))"
    default: return nil
    }
  }

  private func systemText(_ result: Instruction) -> String? {
    if word == 0xd503_201f { return "nop" }
    switch result.operation {
    case .disableInterrupts where d == 31 && field(12, 4) == 0b0100:
      return "msr daifset, #\(field(8, 4))"
    case .enableInterrupts where field(12, 4) == 0b0100: return "msr daifclr, #\(field(8, 4))"
    case .readInterruptFlags: return "mrs \(name(d, bits: 64)), daif"
    case .writeInterruptFlags, .enableInterrupts: return "msr daif, \(name(d, bits: 64))"
    default: break
    }
    let names: [UInt32: String] = [
      0b11_011_0100_0100_000: "fpcr", 0b11_011_0100_0100_001: "fpsr",
      0b11_011_0100_0010_010: "svcr",
    ]
    guard word >> 22 == 0b11_0101_0100, bit(20), let register = names[field(5, 16)] else {
      return nil
    }
    return bit(21)
      ? "mrs \(name(d, bits: 64)), \(register)" : "msr \(register), \(name(d, bits: 64))"
  }

  // MARK: Loads and stores

  private var memoryText: String? {
    if field(27, 3) == 0b101 { return pairText }
    if bit(26), field(27, 3) == 0b111, let (size, isLoad) = vectorSize {
      let register = vector(d, bytes: size)
      if bit(24) {
        let offset = Int64(field(10, 12)) * Int64(size)
        return "\(isLoad ? "ldr" : "str") \(register), \(place(offset, nil))"
      }
      guard !bit(21) else { return nil }
      switch field(10, 2) {
      case 0b00:
        return "\(isLoad ? "ldur" : "stur") \(register), \(place(signed(12, 9), nil))"
      case 0b01: return "\(isLoad ? "ldr" : "str") \(register), \(place(signed(12, 9), false))"
      case 0b11: return "\(isLoad ? "ldr" : "str") \(register), \(place(signed(12, 9), true))"
      default: return nil
      }
    }
    return singleText
  }

  private var vectorSize: (UInt8, Bool)? {
    let (size, code) = (field(30, 2), field(22, 2))
    guard code < 0b10 || size == 0 else { return nil }
    return (code < 0b10 ? 1 << UInt8(size) : 16, code & 1 != 0)
  }

  /// The address of an access, whose base moves before it, after it or not at all.
  private func place(_ offset: Int64, _ isBefore: Bool?) -> String {
    let base = name(n, bits: 64, orStack: true)
    guard let isBefore else { return offset == 0 ? "[\(base)]" : "[\(base), #\(offset)]" }
    return isBefore ? "[\(base), #\(offset)]!" : "[\(base)], #\(offset)"
  }

  /// Words and double words in general registers.
  private var singleText: String? {
    guard let result, !bit(26), field(27, 3) == 0b111, bit(24) || !bit(21) else { return nil }
    let mnemonic: String
    let memory: Memory
    let bits: UInt8
    switch result.operation {
    case .store(let place, _) where place.size >= 4:
      (mnemonic, memory, bits) = ("st", place, place.size * 8)
    case .copy(_, .memory(let place), let size, false, _) where size >= 32:
      (mnemonic, memory, bits) = ("ld", place, size)
    default: return nil
    }
    let register = name(d, bits: bits)
    if let writeBack = result.writeBack {
      return "\(mnemonic)r \(register), \(place(writeBack.offset, writeBack.isBefore))"
    }
    guard bit(24) || field(10, 2) == 0 else { return nil }
    return "\(mnemonic)\(bit(24) ? "" : "u")r \(register), \(place(memory.displacement, nil))"
  }

  private var pairText: String? {
    let kind = field(30, 2)
    guard kind != 0b11, bit(26) || kind != 0b01 else { return nil }
    let size: UInt8 = bit(26) ? 4 << UInt8(kind) : kind == 0 ? 4 : 8
    let registers = [d, field(10, 5)].map {
      bit(26) ? vector($0, bytes: size) : name($0, bits: size * 8)
    }
    let mode = field(23, 2)
    let offset = signed(15, 7) * Int64(size)
    let mnemonic = (bit(22) ? "ld" : "st") + (mode == 0 ? "np" : "p")
    return "\(mnemonic) \(registers.joined(separator: ", ")), "
      + place(offset, mode & 1 == 0 ? nil : mode == 0b11)
  }

  // MARK: Floating point

  private var floatingPointText: String? {
    guard !bit(30), !bit(29), field(24, 5) == 0b11110, bit(21), field(22, 2) != 0b10 else {
      return nil
    }
    let size: UInt8 = [4, 8, 0, 2][Int(field(22, 2))]
    let target = vector(d, bytes: size)
    let sources = [n, m].map { vector($0, bytes: size) }
    if !bit(31), field(10, 2) == 0b10 {
      let names = ["fmul", "fdiv", "fadd", "fsub", "fmax", "fmin", "fmaxnm", "fminnm", "fnmul"]
      let code = Int(field(12, 4))
      guard code < names.count else { return nil }
      return "\(names[code]) \(target), \(sources[0]), \(sources[1])"
    }
    if !bit(31), field(10, 5) == 0b10000, field(15, 6) < 4 {
      let name = ["fmov", "fabs", "fneg", "fsqrt"][Int(field(15, 6) & 0b11)]
      return "\(name) \(target), \(sources[0])"
    }
    guard field(10, 6) == 0, field(22, 2) < 2 else { return nil }
    switch field(16, 5) {
    case 0b00_010: return "scvtf \(target), \(name(n, bits: bits))"
    case 0b00_011: return "ucvtf \(target), \(name(n, bits: bits))"
    case 0b11_000: return "fcvtzs \(name(d, bits: bits)), \(sources[0])"
    case 0b11_001: return "fcvtzu \(name(d, bits: bits)), \(sources[0])"
    case 0b00_110 where bit(31) == bit(22): return "fmov \(name(d, bits: bits)), \(sources[0])"
    case 0b00_111 where bit(31) == bit(22): return "fmov \(target), \(name(n, bits: bits))"
    default: return nil
    }
  }
}
