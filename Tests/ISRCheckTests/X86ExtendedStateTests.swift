import Testing

@testable import ISRCheck

/// Which extended registers instructions write, read, save and restore.
@Suite struct X86ExtendedStateTests {
  struct Row: Sendable {
    var assembly: String
    var writes: ExtendedState
    var reads: ExtendedState
    var saves: ExtendedState
    var restores: ExtendedState

    init(
      _ assembly: String, writes: ExtendedState = [], reads: ExtendedState = [],
      saves: ExtendedState = [], restores: ExtendedState = []
    ) {
      self.assembly = assembly
      self.writes = writes
      self.reads = reads
      self.saves = saves
      self.restores = restores
    }
  }

  @Test(arguments: [x87, mmx, sse, avx, avx512, amx, whole, none])
  func classes(_ rows: [Row]) throws {
    for (row, instruction) in zip(rows, try X86Assembly.decoded(rows.map(\.assembly))) {
      let instruction = try #require(instruction, "\(row.assembly)")
      #expect(instruction.extendedWrites == row.writes, "\(row.assembly)")
      #expect(instruction.extendedReads == row.reads, "\(row.assembly)")
      #expect(instruction.extendedSaves == row.saves, "\(row.assembly)")
      #expect(instruction.extendedRestores == row.restores, "\(row.assembly)")
    }
  }

  static let x87: [Row] = [
    Row("fld qword ptr [rax]", writes: .x87), Row("fstp qword ptr [rax]", writes: .x87),
    Row("fild dword ptr [rax]", writes: .x87), Row("fisttp dword ptr [rax]", writes: .x87),
    Row("fadd st, st(1)", writes: .x87), Row("fcomi st, st(1)", writes: .x87),
    Row("fcmovb st, st(1)", writes: .x87), Row("fxch st(1)", writes: .x87),
    Row("fninit", writes: .x87), Row("fnclex", writes: .x87), Row("fldcw [rax]", writes: .x87),
    Row("fldenv [rax]", writes: .x87), Row("fnstenv [rax]", writes: .x87),
    Row("fnstcw [rax]", reads: .x87), Row("fnstsw ax", reads: .x87),
    Row("fnstsw [rax]", reads: .x87), Row("fwait"),
  ]

  /// Even a read marks the x87 stack.
  static let mmx: [Row] = [
    Row("movd mm0, eax", writes: .x87), Row("movd eax, mm0", writes: .x87),
    Row("movq [rax], mm1", writes: .x87), Row("paddb mm0, mm1", writes: .x87),
    Row("maskmovq mm0, mm1", writes: .x87), Row("emms", writes: .x87),
    Row("movq2dq xmm0, mm1", writes: [.x87, .sse]),
    Row("movdq2q mm0, xmm1", writes: .x87, reads: .sse),
    Row("cvtpi2ps xmm0, mm1", writes: [.x87, .sse]), Row("pmovmskb eax, mm0", writes: .x87),
  ]

  static let sse: [Row] = [
    Row("movaps xmm0, [rax]", writes: .sse), Row("movaps [rax], xmm0", reads: .sse),
    Row("movq [rax], xmm9", reads: .sse), Row("movd xmm0, eax", writes: .sse),
    Row("movd eax, xmm0", reads: .sse), Row("addsd xmm0, xmm1", writes: .sse),
    Row("xorps xmm0, xmm0", writes: .sse), Row("comisd xmm0, xmm1", reads: .sse),
    Row("ucomiss xmm0, [rax]", reads: .sse), Row("cvtsi2sd xmm0, rax", writes: .sse),
    Row("cvttsd2si rax, xmm0", reads: .sse), Row("movmskps eax, xmm1", reads: .sse),
    Row("pmovmskb eax, xmm0", reads: .sse), Row("pextrw eax, xmm0, 1", reads: .sse),
    Row("ldmxcsr [rax]", writes: .sse), Row("stmxcsr [rax]", reads: .sse),
    Row("maskmovdqu xmm0, xmm1", reads: .sse), Row("movntps [rax], xmm0", reads: .sse),
    Row("lddqu xmm0, [rax]", writes: .sse), Row("haddps xmm0, xmm1", writes: .sse),
    Row("pshufb xmm0, xmm1", writes: .sse), Row("ptest xmm0, xmm1", reads: .sse),
    Row("insertps xmm0, xmm1, 1", writes: .sse), Row("extractps eax, xmm1, 1", reads: .sse),
    Row("blendvps xmm1, xmm2, xmm0", writes: .sse),
    Row("pcmpistri xmm0, xmm1, 1", reads: .sse),
    // The result goes to XMM0 without being named.
    Row("pcmpistrm xmm2, xmm1, 1", writes: .sse),
    Row("aesenc xmm0, xmm1", writes: .sse), Row("pclmulqdq xmm0, xmm1, 1", writes: .sse),
    Row("sha256rnds2 xmm1, xmm2", writes: .sse), Row("gf2p8mulb xmm1, xmm2", writes: .sse),
  ]

  static let avx: [Row] = [
    Row("vaddps ymm0, ymm1, ymm2", writes: [.sse, .avx]),
    // The upper half becomes zero.
    Row("vaddps xmm0, xmm1, xmm2", writes: [.sse, .avx]),
    Row("vmovd xmm0, eax", writes: [.sse, .avx]), Row("vmovd eax, xmm1", reads: .sse),
    Row("vmovups [rax], ymm3", reads: [.sse, .avx]), Row("vmovups [rax], xmm3", reads: .sse),
    Row("vptest ymm0, ymm1", reads: [.sse, .avx]), Row("vcomisd xmm0, xmm1", reads: .sse),
    Row("vmovmskps eax, ymm1", reads: [.sse, .avx]),
    Row("vpmovmskb eax, ymm1", reads: [.sse, .avx]),
    Row("vextracti128 [rax], ymm1, 1", reads: [.sse, .avx]),
    Row("vpmaskmovd [rax], ymm0, ymm1", reads: [.sse, .avx]),
    Row("vpgatherdd ymm0, [rax+ymm1*4], ymm2", writes: [.sse, .avx]),
    Row("vfmadd213sd xmm0, xmm1, xmm2", writes: [.sse, .avx]),
    Row("vldmxcsr [rax]", writes: .sse), Row("vstmxcsr [rax]", reads: .sse),
    Row("vzeroupper", writes: [.avx, .avx512]), Row("vzeroall", writes: [.sse, .avx, .avx512]),
    Row("vcvtph2ps ymm0, xmm1", writes: [.sse, .avx]),
    Row("vbroadcastss ymm0, [rax]", writes: [.sse, .avx]),
    Row("vaesenc ymm0, ymm1, ymm2", writes: [.sse, .avx]),
  ]

  static let avx512: [Row] = [
    // ZMM1 is XMM1 and YMM1 too.
    Row("vaddpd zmm1, zmm2, zmm3", writes: [.sse, .avx, .avx512]),
    Row("vaddpd zmm1{k1}, zmm2, zmm3", writes: [.sse, .avx, .avx512]),
    Row("vaddpd xmm1{k1}{z}, xmm2, xmm3", writes: [.sse, .avx, .avx512]),
    Row("vaddpd xmm17, xmm18, xmm19", writes: .avx512),
    Row("vpbroadcastd zmm31, eax", writes: .avx512),
    Row("vmovdqu64 [rax]{k2}, zmm20", reads: .avx512),
    Row("vmovdqu64 [rax], zmm5", reads: [.sse, .avx, .avx512]),
    Row("vpcmpeqd k1, zmm20, zmm21", writes: .avx512),
    Row("kmovw k1, eax", writes: .avx512), Row("kmovw eax, k1", reads: .avx512),
    Row("kmovq [rax], k1", reads: .avx512), Row("kortestw k0, k1", reads: .avx512),
    Row("ktestq k0, k1", reads: .avx512), Row("kandw k1, k2, k3", writes: .avx512),
    Row("vcvttsd2usi eax, xmm17", reads: .avx512), Row("vucomisd xmm17, xmm18", reads: .avx512),
    // The mask is cleared.
    Row("vpscatterdd [rax+zmm1*4]{k1}, zmm2", writes: .avx512, reads: [.sse, .avx]),
    Row("vpmovm2d zmm16, k1", writes: .avx512), Row("vpextrd [rax], xmm17, 1", reads: .avx512),
  ]

  static let amx: [Row] = [
    Row("ldtilecfg [rax]", writes: .amx), Row("sttilecfg [rax]", reads: .amx),
    Row("tilezero tmm1", writes: .amx), Row("tilerelease", writes: .amx),
    Row("tileloadd tmm0, [rax+rbx*1]", writes: .amx),
    Row("tilestored [rax+rbx*1], tmm0", reads: .amx), Row("tdpbssd tmm0, tmm1, tmm2", writes: .amx),
  ]

  static let whole: [Row] = [
    Row("fxsave [rax]", saves: [.x87, .sse]), Row("fxsave64 [rax]", saves: [.x87, .sse]),
    Row("fxrstor [rax]", restores: [.x87, .sse]), Row("fxrstor64 [rax]", restores: [.x87, .sse]),
    Row("xsave [rax]", saves: .allX86), Row("xsave64 [rax]", saves: .allX86),
    Row("xsavec [rax]", saves: .allX86), Row("xsaveopt [rax]", saves: .allX86),
    Row("xsaves [rax]", saves: .allX86), Row("xrstor [rax]", restores: .allX86),
    Row("xrstor64 [rax]", restores: .allX86), Row("xrstors [rax]", restores: .allX86),
    Row("fnsave [rax]", writes: .x87, saves: .x87), Row("frstor [rax]", restores: .x87),
  ]

  /// Of the same extensions or in their neighbourhood, but about general registers alone.
  static let none: [Row] = [
    Row("movnti [rax], rbx"), Row("prefetcht0 [rax]"), Row("sfence"), Row("mfence"),
    Row("crc32 eax, ecx"), Row("popcnt rax, rcx"), Row("andn rax, rbx, rcx"),
    Row("pdep rax, rbx, rcx"), Row("mulx rax, rbx, rcx"), Row("xgetbv"), Row("xsetbv"),
    Row("rdfsbase rax"), Row("clts"), Row("rdpkru"), Row("cmpxchg16b [rax]"),
    Row("movbe rax, [rbx]"),
    Row("fs mov rax, [0]"), Row("rep movsb"), Row("endbr64"), Row("pause"),
  ]
}
