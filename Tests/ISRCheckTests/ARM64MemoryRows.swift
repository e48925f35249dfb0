@testable import ISRCheck

/// Loads, stores and vector instructions.
extension ARM64DecoderTests {
  static func load(
    _ target: UInt8, _ memory: Memory, signed: Bool = false, result: UInt8? = nil
  ) -> Instruction.Operation {
    copy(
      target, .memory(memory), bits: memory.size * 8, signed: signed,
      result: result ?? max(32, memory.size * 8))
  }

  static let loads: [Row] = [
    Row(0xf940_0820, load(0, at(1, plus: 16, size: 8)), overwrites: [0]),
    // ldr w0, [x1, x2, lsl #2]
    Row(0xb862_7820, load(0, at(1, 2, scale: 4, size: 4)), overwrites: [0]),
    // ldr x0, [x1, w2, uxtw #3]
    Row(0xf862_5820, load(0, at(1, 2, scale: 8, size: 8, indexBits: 32)), overwrites: [0]),
    // ldr x0, [x1, w2, sxtw]: an address of which nothing is known
    Row(0xf862_c820, load(0, Memory(size: 8, isSegmented: true)), overwrites: [0]),
    Row(0x3940_0020, load(0, at(1, size: 1)), overwrites: [0]),  // ldrb
    Row(0x7940_0420, load(0, at(1, plus: 2, size: 2)), overwrites: [0]),  // ldrh
    Row(0xb980_0020, load(0, at(1, size: 4), signed: true, result: 64), overwrites: [0]),  // ldrsw
    Row(0x39c0_0020, load(0, at(1, size: 1), signed: true, result: 32), overwrites: [0]),
    Row(0xf85f_9020, load(0, at(1, plus: -7, size: 8)), overwrites: [0]),  // ldur
    // ldr x0, .+16
    Row(0x5800_0080, load(0, Memory(displacement: 0x1010, size: 8)), overwrites: [0]),
    // ldrsw x0, .-16
    Row(
      0x98ff_ff80, load(0, Memory(displacement: 0xff0, size: 4), signed: true, result: 64),
      overwrites: [0]),
    // ldr x30, [sp], #16
    Row(0xf841_07fe, load(30, at(31, size: 8)), overwrites: [30, 31], moves: (31, 16, false)),
    // ldrb w0, [x1], #1
    Row(0x3840_1420, load(0, at(1, size: 1)), overwrites: [0, 1], moves: (1, 1, false)),
    // ldr x0, [x0], #8: unpredictable
    Row(0xf840_8400, overwrites: [0]),
    Row(0xf980_0000),  // prfm
    // ldraa x0, [x1, #8]!
    Row(0xf820_1c20, load(0, Memory(size: 8, isSegmented: true)), overwrites: [0, 1]),
    Row(0xf83f_d082, overwrites: [2, 3, 4, 5, 6, 7, 8, 9]),  // ld64b x2, [x4]
  ]

  static let stores: [Row] = [
    // str x30, [sp, #-16]!
    Row(
      0xf81f_0ffe, .store(at(31, size: 8), r(30)), overwrites: [31], memory: true,
      moves: (31, -16, true)),
    // str xzr, [sp, #8]
    Row(0xf900_07ff, .store(at(31, plus: 8, size: 8), .immediate(0)), memory: true),
    // strh w0, [x1, #-2]!
    Row(
      0x781f_ec20, .store(at(1, size: 2), r(0)), overwrites: [1], memory: true,
      moves: (1, -2, true)),
    // stg sp, [sp, #-16]!
    Row(0xd93f_ffff, overwrites: [31], memory: true, moves: (31, -16, true)),
    // stzg x0, [x1], #16
    Row(
      0xd960_1420, .overwrite(at(1, size: 16)), overwrites: [1], memory: true,
      moves: (1, 16, false)),
    // cpyfp [x0]!, [x1]!, x2!
    Row(0x1901_0440, .overwrite(at(0)), overwrites: [0, 1, 2], memory: true),
    // setp [x0]!, x1!, x2
    Row(0x19c2_0420, .overwrite(at(0)), overwrites: [0, 1, 2], memory: true),
  ]

  static let pairs: [Row] = [
    // stp x29, x30, [sp, #-32]!
    Row(
      0xa9be_7bfd, .storePair(at(31, size: 8), r(29), r(30)), overwrites: [31], memory: true,
      moves: (31, -32, true)),
    // ldp x29, x30, [sp], #32
    Row(
      0xa8c2_7bfd, .loadPair(Register(29), Register(30), at(31, size: 8)),
      overwrites: [29, 30, 31], moves: (31, 32, false)),
    // stp xzr, xzr, [sp, #16]
    Row(
      0xa901_7fff, .storePair(at(31, plus: 16, size: 8), .immediate(0), .immediate(0)),
      memory: true),
    // stp w0, wzr, [x1, #8]
    Row(0x2901_7c20, .storePair(at(1, plus: 8, size: 4), r(0), .immediate(0)), memory: true),
    // ldp w0, w1, [x2, #-8]
    Row(
      0x297f_0440, .loadPair(Register(0), Register(1), at(2, plus: -8, size: 4)),
      overwrites: [0, 1]),
    Row(0x6940_0440, overwrites: [0, 1]),  // ldpsw
    // ldp xzr, x1, [x2]
    Row(0xa940_045f, .loadPair(nil, Register(1), at(2, size: 8)), overwrites: [1]),
  ]

  static let ordered: [Row] = [
    Row(0xc85f_7c20, load(0, at(1, size: 8)), overwrites: [0]),  // ldxr
    // stxr w2, x0, [x1]
    Row(0xc802_7c20, .overwrite(at(1, size: 8)), overwrites: [2], memory: true),
    Row(0x88df_fc20, load(0, at(1, size: 4)), overwrites: [0]),  // ldar
    Row(0xc89f_fc20, .store(at(1, size: 8), r(0)), memory: true),  // stlr
    Row(0xc87f_8440, overwrites: [0, 1]),  // ldaxp
    // stlxp w3, x0, x1, [x2]
    Row(0xc823_8440, .overwrite(at(2, size: 16)), overwrites: [3], memory: true),
    // casal x0, x1, [x2]
    Row(0xc8e0_fc41, .overwrite(at(2, size: 8)), overwrites: [0], memory: true),
    // casp x0, x1, x2, x3, [x4]
    Row(0x4820_7c82, .overwrite(at(4, size: 16)), overwrites: [0, 1], memory: true),
    // ldadd x0, x1, [x2]
    Row(0xf820_0041, .overwrite(at(2, size: 8)), overwrites: [1], memory: true),
    // stadd w0, [x2]
    Row(0xb820_005f, .overwrite(at(2, size: 4)), memory: true),
    // swpal w0, w1, [x2]
    Row(0xb8e0_8041, .overwrite(at(2, size: 4)), overwrites: [1], memory: true),
    Row(0xf8bf_c020, load(0, at(1, size: 8)), overwrites: [0]),  // ldapr
    Row(0x9940_4020, load(0, at(1, plus: 4, size: 4)), overwrites: [0]),  // ldapur
    Row(0xd91f_8020, .store(at(1, plus: -8, size: 8), r(0)), memory: true),  // stlur
  ]

  static let vectorAccesses: [Row] = [
    // stp q0, q1, [sp, #-64]!
    Row(
      0xadbe_07e0, .overwrite(at(31, size: 32)), overwrites: [31], reads: .simd, memory: true,
      moves: (31, -64, true)),
    // ldp d8, d9, [sp], #16
    Row(0x6cc1_27e8, overwrites: [31], writes: .simd, moves: (31, 16, false)),
    Row(0x3dc0_0000, writes: .simd),  // ldr q0, [x0]
    // str d0, [x1], #8
    Row(
      0xfc00_8420, .overwrite(at(1, size: 8)), overwrites: [1], reads: .simd, memory: true,
      moves: (1, 8, false)),
    // ld1 {v0.16b, v1.16b}, [x0], #32
    Row(0x4cdf_a000, overwrites: [0], writes: .simd, moves: (0, 32, false)),
    // st1 {v0.b}[3], [x0], x2
    Row(
      0x0d82_0c00, .overwrite(at(0, size: 1)), overwrites: [0], reads: .simd, memory: true),
    // st1 {v0.16b}, [sp], #16: 31 is an immediate in the place of a register
    Row(
      0x4c9f_73e0, .overwrite(at(31, size: 16)), overwrites: [31], reads: .simd, memory: true,
      moves: (31, 16, false)),
    // ld4r {v0.8h - v3.8h}, [x1], #8
    Row(0x4dff_e420, overwrites: [1], writes: .simd, moves: (1, 8, false)),
  ]

  static let floatingPoint: [Row] = [
    Row(0x1e62_2820, writes: .simd),  // fadd
    Row(0x9e66_0000, overwrites: [0], reads: .simd),  // fmov x0, d0
    Row(0x9e67_0000, writes: .simd),  // fmov d0, x0
    Row(0x9eae_0020, overwrites: [0], reads: .simd),  // fmov x0, v1.d[1]
    Row(0x1e38_0020, overwrites: [0], reads: .simd),  // fcvtzs w0, s1
    Row(0x9e59_f020, overwrites: [0], reads: .simd),  // fcvtzu x0, d1, #4
    Row(0x9e62_0020, writes: .simd),  // scvtf
    Row(0x1e60_2008, .changesFlags, reads: .simd),  // fcmp
    Row(0x1e21_0400, .changesFlags, reads: .simd),  // fccmp
    Row(0x1e62_0c20, writes: .simd),  // fcsel
    Row(0x0e07_3c20, overwrites: [0], reads: .simd),  // umov
    Row(0x4e0e_2c20, overwrites: [0], reads: .simd),  // smov
    Row(0x4e18_3c20, overwrites: [0], reads: .simd),  // mov x0, v1.d[1]
    Row(0x4e04_1c41, writes: .simd),  // mov v1.s[0], w2
    Row(0x4e04_0c20, writes: .simd),  // dup
    Row(0x6ea2_8c20, writes: .simd),  // cmeq
    Row(0x4e28_4820, writes: .simd),  // aese
  ]

  static let scalable: [Row] = [
    Row(0x0420_e3e0, overwrites: [0]),  // cntb
    Row(0x0430_e3e3, overwrites: [3]),  // incb
    Row(0x0420_f3e3, overwrites: [3]),  // sqincb
    Row(0x04bf_5025, overwrites: [5]),  // rdvl
    Row(0x043f_57df, overwrites: [31]),  // addvl sp, sp, #-2
    Row(0x04bf_5820, overwrites: [0]),  // rdsvl
    Row(0x2520_8020, overwrites: [0], reads: .sve),  // cntp
    Row(0x252c_8820, overwrites: [0], reads: .sve),  // incp
    Row(0x05a0_a020, overwrites: [0], reads: .sve),  // lasta
    Row(0x2550_c020, .changesFlags, reads: .sve),  // ptest
    Row(0x25e1_2000, .changesFlags),  // ctermeq
    Row(0x2518_e3e0, .changesFlags, writes: [.sve, .simd]),  // ptrue
    Row(0x2521_1c00, .changesFlags, writes: [.sve, .simd]),  // whilelo
    Row(0x04a2_0020, .changesFlags, writes: [.sve, .simd]),  // add
    Row(0xa540_a000, writes: [.sve, .simd]),  // ld1w
    // st1w, str
    Row(
      0xe540_e000, .overwrite(Memory(size: 0, isSegmented: true)), reads: [.sve, .simd],
      memory: true),
    Row(
      0xe580_03e0, .overwrite(Memory(size: 0, isSegmented: true)), reads: [.sve, .simd],
      memory: true),
    Row(0x85c0_0000, reads: .sve),  // prfb
    Row(0xc008_00ff, writes: .allARM),  // zero {za}
    Row(
      0xe120_0000, .overwrite(Memory(size: 0, isSegmented: true)), reads: .allARM, memory: true),
    Row(0xe100_0000, writes: .allARM),  // ldr za
  ]

}
