import Testing

@testable import ISRCheck

/// Words of AArch64 code and what the decoder makes of them. The comments are the assembler's text.
@Suite struct ARM64DecoderTests {
  /// A word at 0x1000 and its meaning.
  struct Row: Sendable, CustomTestStringConvertible {
    var word: UInt32
    var expected: Instruction

    init(
      _ word: UInt32, _ operation: Instruction.Operation = .none,
      flow: Instruction.Flow = .next, overwrites: RegisterSet = [], writes: ExtendedState = [],
      reads: ExtendedState = [], memory: Bool = false,
      moves: (base: UInt8, by: Int64, isBefore: Bool)? = nil
    ) {
      self.word = word
      expected = Instruction(
        address: 0x1000, length: 4, flow: flow, operation: operation, overwrites: overwrites,
        extendedWrites: writes, extendedReads: reads, writesMemory: memory,
        writeBack: moves.map {
          .init(base: Register($0.base), offset: $0.by, isBefore: $0.isBefore)
        })
    }

    var testDescription: String { String(word, radix: 16) }
  }

  static func decode(_ word: UInt32, at address: UInt64 = 0x1000) -> Instruction? {
    withUnsafeBytes(of: word.littleEndian) { ARM64Decoder().decode($0, at: address) }
  }

  @Test(arguments: branches + systemInstructions + sums + logic + moves + selections)
  func registers(_ row: Row) { #expect(Self.decode(row.word) == row.expected) }

  @Test(arguments: loads + stores + pairs + ordered + vectorAccesses)
  func memory(_ row: Row) { #expect(Self.decode(row.word) == row.expected) }

  @Test(arguments: floatingPoint + scalable)
  func extendedState(_ row: Row) { #expect(Self.decode(row.word) == row.expected) }

  @Test(
    arguments: [
      0x0001_0000, 0x1200_fc00, 0x9240_ffff, 0x1240_0000, 0x5340_0000, 0x3280_0000, 0x52c0_0000,
      0x0bc0_0000, 0x0b02_8020, 0x8b22_7420, 0xd65e_03c0, 0x5600_0000,
    ] as [UInt32])
  func unallocated(_ word: UInt32) { #expect(Self.decode(word) == nil) }

  @Test func tooShort() {
    let bytes: [UInt8] = [0x1f, 0x20, 0x03]
    #expect(bytes.withUnsafeBytes { ARM64Decoder().decode($0, at: 0) } == nil)
    #expect(bytes.withUnsafeBytes { ARM64Decoder().text($0, at: 0) } == nil)
  }

  @Test func atTheEndsOfTheAddressSpace() {
    #expect(Self.decode(0x17ff_ffff, at: 0)?.flow == .jump(0xffff_ffff_ffff_fffc))
    #expect(Self.decode(0x1400_0001, at: .max - 3)?.flow == .jump(0))
    #expect(Self.decode(0x97ff_ffff, at: .max - 3)?.end == 0)
  }

  static let branches: [Row] = [
    Row(0x1400_0002, flow: .jump(0x1008)),
    Row(0x97ff_ffff, flow: .call(0xffc), overwrites: [30]),
    Row(0x5400_0080, flow: .branch(0x1010, .equal)),
    Row(0x5400_0083, flow: .branch(0x1010, .below)),
    Row(0x5400_008e, flow: .jump(0x1010)),  // b.al
    Row(0x5400_0091, flow: .branch(0x1010, .notEqual)),  // bc.ne
    // cbz w3
    Row(0x3400_0043, .compare(r(3), .immediate(0), bits: 32), flow: .branch(0x1008, .equal)),
    // cbnz x30
    Row(0xb5ff_ffde, .compare(r(30), .immediate(0), bits: 64), flow: .branch(0xff8, .notEqual)),
    // cbz xzr
    Row(
      0xb400_005f, .compare(.immediate(0), .immediate(0), bits: 64),
      flow: .branch(0x1008, .equal)),
    // tbz x5, #33
    Row(0xb608_0045, .test(r(5), .immediate(1 << 33), bits: 64), flow: .branch(0x1008, .equal)),
    // tbnz w5, #3
    Row(0x371f_ff05, .test(r(5), .immediate(8), bits: 64), flow: .branch(0xfe0, .notEqual)),
    Row(0xf401_0040, flow: .branch(0x1008, .other)),  // cbgt x0, x1
    Row(0xd61f_0200, flow: .indirectJump(r(16))),
    Row(0xd63f_0100, flow: .indirectCall(r(8)), overwrites: [30]),
    Row(0xd65f_03c0, flow: .return),
    Row(0xd65f_0120, flow: .return),  // ret x9
    Row(0xd71f_0a11, flow: .indirectJump(r(16))),  // braa x16, x17
    Row(0xd63f_091f, flow: .indirectCall(r(8)), overwrites: [30]),  // blraaz x8
    Row(0xd65f_0bff, flow: .return),  // retaa
    Row(0xd69f_03e0, flow: .interruptReturn),  // eret
    Row(0xd69f_0fff, flow: .interruptReturn),  // eretab
    Row(0xd6bf_03e0, flow: .interruptReturn),  // drps
    Row(0xd420_0020, flow: .stop),  // brk #1
    Row(0xd440_0020, flow: .stop),  // hlt #1
    Row(0x0000_0007, flow: .stop),  // udf #7
  ]

  static let systemInstructions: [Row] = [
    // svc, hvc, smc
    Row(0xd400_0001, .changesFlags, overwrites: Self.called, memory: true),
    Row(0xd400_0002, .changesFlags, overwrites: Self.called, memory: true),
    Row(0xd400_0003, .changesFlags, overwrites: Self.called, memory: true),
    Row(0xd53b_4220, .readInterruptFlags(Register(0)), overwrites: [0]),
    Row(0xd51b_4220, .writeInterruptFlags(Register(0))),
    Row(0xd503_42df, .disableInterrupts),  // msr daifset, #2
    Row(0xd503_43ff, .enableInterrupts),  // msr daifclr, #3
    Row(0xd503_41df),  // msr daifset, #1: not the interrupt flag
    Row(0xd51b_4200, .changesFlags),  // msr nzcv, x0
    Row(0xd53b_4401, overwrites: [1], reads: .simd),  // mrs x1, fpcr
    Row(0xd51b_4421, writes: .simd),  // msr fpsr, x1
    Row(0xd538_d080, overwrites: [0]),  // mrs x0, tpidr_el1
    Row(0xd500_41bf, overwrites: [31]),  // msr spsel, #1
    Row(0xd503_201f),  // nop
    Row(0xd503_3bbf),  // dmb ish
    Row(0xd503_233f, overwrites: [30]),  // paciasp
    Row(0xd503_20ff, overwrites: [30]),  // xpaclri
    // dc zva, x0
    Row(0xd50b_7420, .overwrite(Memory(base: Register(0), size: 0)), memory: true),
    Row(0xd528_7000, overwrites: [0]),  // sysl x0
    Row(0xd503_477f, writes: .allARM),  // smstart
  ]

  static let called = RegisterSet(rawValue: 0x3ffff)

  static let sums: [Row] = [
    Row(0x1000_00a0, copy(0, .immediate(0x1014)), overwrites: [0]),  // adr
    Row(0x9000_0001, copy(1, .immediate(0x1000)), overwrites: [1]),  // adrp
    Row(0xb07f_ffe1, copy(1, .immediate(0x1_0000_0000 - 0x2000)), overwrites: [1]),
    Row(0x9100_4020, add(0, r(1), .immediate(16)), overwrites: [0]),
    // add sp, sp, #1, lsl #12
    Row(0x9140_07ff, add(31, r(31), .immediate(4096)), overwrites: [31]),
    // sub sp, sp, #64
    Row(
      0xd101_03ff, add(31, r(31), .immediate(64), .subtract), overwrites: [31]),
    Row(0x9100_03fd, copy(29, r(31)), overwrites: [29]),  // mov x29, sp
    Row(0x1100_0420, add(0, r(1), .immediate(1), bits: 32), overwrites: [0]),
    Row(0xf100_141f, .compare(r(0), .immediate(5), bits: 64)),  // cmp x0, #5
    Row(0xb100_141f, .changesFlags),  // cmn x0, #5
    // subs x0, x1, #5
    Row(0xf100_1420, add(0, r(1), .immediate(5), .subtract, setsFlags: true), overwrites: [0]),
    // adds w0, w1, w2
    Row(0x2b02_0020, add(0, r(1), r(2), bits: 32, setsFlags: true), overwrites: [0]),
    Row(0x6b02_003f, .compare(r(1), r(2), bits: 32)),
    Row(0xeb22_63ff, .compare(r(31), r(2), bits: 64)),  // cmp sp, x2
    Row(0x8b02_0020, add(0, r(1), r(2)), overwrites: [0]),
    // add x0, x1, x2, lsl #3
    Row(0x8b02_0c20, .address(to: Register(0), at(1, 2, scale: 8), bits: 64), overwrites: [0]),
    Row(0x8b42_0c20, overwrites: [0]),  // add x0, x1, x2, lsr #3
    // add x0, x1, w2, uxtw #2
    Row(
      0x8b22_4820, .address(to: Register(0), at(1, 2, scale: 4, indexBits: 32), bits: 64),
      overwrites: [0]),
    // add x0, sp, w2, uxtb
    Row(
      0x8b22_03e0, .address(to: Register(0), at(31, 2, indexBits: 8), bits: 64), overwrites: [0]),
    Row(0x8b22_c020, overwrites: [0]),  // add x0, x1, w2, sxtw
    Row(0xcb24_607f, add(31, r(3), r(4), .subtract), overwrites: [31]),  // sub sp, x3, x4
    Row(0xcb01_03e0, add(0, .immediate(0), r(1), .subtract), overwrites: [0]),  // neg x0, x1
    Row(0x9b02_7c20, add(0, r(1), r(2), .multiply), overwrites: [0]),
    Row(0x9b02_0c20, overwrites: [0]),  // madd
    Row(0x9ac2_0820, overwrites: [0]),  // udiv
    Row(0x9a02_0020, overwrites: [0]),  // adc
    Row(0xba02_0020, .changesFlags, overwrites: [0]),  // adcs
    Row(0x9adf_101f, overwrites: [31]),  // irg sp, x0
  ]

  static let logic: [Row] = [
    Row(0x9278_1c20, add(0, r(1), .immediate(0xff00), .and), overwrites: [0]),
    // and sp, x9, #~15
    Row(0x927c_ed3f, add(31, r(9), .immediate(~15), .and), overwrites: [31]),
    // mov w0, #0x55555555
    Row(0x3200_f3e0, copy(0, .immediate(0x5555_5555), bits: 32), overwrites: [0]),
    // tst w1, #0x80000001
    Row(0x7201_043f, .test(r(1), .immediate(0x8000_0001), bits: 32)),
    Row(0xea02_003f, .test(r(1), r(2), bits: 64)),
    Row(0xea02_0023, add(3, r(1), r(2), .and, setsFlags: true), overwrites: [3]),
    Row(0x8a22_0020, overwrites: [0]),  // bic
    Row(0x4a02_0020, add(0, r(1), r(2), .exclusiveOr, bits: 32), overwrites: [0]),
  ]

  static let moves: [Row] = [
    Row(0xaa01_03e0, copy(0, r(1)), overwrites: [0]),
    Row(0x2a01_03e0, copy(0, r(1), bits: 32), overwrites: [0]),
    Row(0xaa21_03e0, overwrites: [0]),  // mvn
    Row(0xaa1f_03e0, copy(0, .immediate(0)), overwrites: [0]),  // mov x0, xzr
    Row(0xd2c2_4680, copy(0, .immediate(0x1234_0000_0000)), overwrites: [0]),  // movz
    Row(0x1280_0020, copy(0, .immediate(0xffff_fffe), bits: 32), overwrites: [0]),  // movn w0, #1
    // movk x0, #0xabcd, lsl #16
    Row(
      0xf2b5_79a0, .insert(to: Register(0), value: 0xabcd_0000, mask: 0xffff_0000),
      overwrites: [0]),
    // movk w0, #0xabcd, lsl #16
    Row(
      0x72b5_79a0,
      .insert(to: Register(0), value: 0xabcd_0000, mask: 0xffff_ffff_ffff_0000),
      overwrites: [0]),
    // lsl x0, x1, #4
    Row(0xd37c_ec20, add(0, r(1), .immediate(4), .shiftLeft), overwrites: [0]),
    // lsr w0, w1, #4
    Row(0x5304_7c20, add(0, r(1), .immediate(4), .shiftRight, bits: 32), overwrites: [0]),
    Row(0x5300_1c20, copy(0, r(1), bits: 8, result: 32), overwrites: [0]),  // uxtb
    Row(0x5300_3c20, copy(0, r(1), bits: 16, result: 32), overwrites: [0]),  // uxth
    // sxtw x0, w1
    Row(0x9340_7c20, copy(0, r(1), bits: 32, signed: true, result: 64), overwrites: [0]),
    // sxtb w0, w1
    Row(0x1300_1c20, copy(0, r(1), bits: 8, signed: true, result: 32), overwrites: [0]),
    Row(0x9343_fc20, overwrites: [0]),  // asr
    Row(0xd343_1820, overwrites: [0]),  // ubfx
    Row(0xb37d_0c20, overwrites: [0]),  // bfi
  ]

  static let selections: [Row] = [
    // csel x0, x0, x1, eq
    Row(
      0x9a81_0000, .conditionalCopy(to: Register(0), from: r(1), bits: 64, .notEqual),
      overwrites: [0]),
    // csel x0, x1, x0, lo
    Row(
      0x9a80_3020, .conditionalCopy(to: Register(0), from: r(1), bits: 64, .below),
      overwrites: [0]),
    Row(0x1a82_8020, overwrites: [0]),  // csel w0, w1, w2, hi
    Row(0x9a81_0400, overwrites: [0]),  // csinc x0, x0, x1, eq
    Row(0xfa40_1800, .changesFlags),  // ccmp
  ]

  // MARK: Short forms

  static func r(_ number: UInt8) -> Operand { .register(Register(number)) }

  static func copy(
    _ target: UInt8, _ source: Operand, bits: UInt8 = 64, signed: Bool = false,
    result: UInt8? = nil
  ) -> Instruction.Operation {
    .copy(
      to: Register(target), from: source, bits: bits, signExtends: signed,
      resultBits: result ?? bits)
  }

  static func add(
    _ target: UInt8, _ left: Operand, _ right: Operand,
    _ operation: Instruction.Arithmetic = .add, bits: UInt8 = 64, setsFlags: Bool = false
  ) -> Instruction.Operation {
    .arithmetic(operation, to: Register(target), left, right, bits: bits, setsFlags: setsFlags)
  }

  static func at(
    _ base: UInt8, _ index: UInt8? = nil, scale: UInt8 = 1, plus displacement: Int64 = 0,
    size: UInt8 = 0, indexBits: UInt8 = 64
  ) -> Memory {
    Memory(
      base: Register(base), index: index.map(Register.init), scale: scale,
      displacement: displacement, size: size, indexBits: indexBits)
  }
}
