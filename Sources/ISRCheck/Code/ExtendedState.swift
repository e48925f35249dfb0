/// Registers beside the general ones, in the groups that a kernel saves together: an interrupt's
/// entry leaves them alone, so whoever writes one there spoils the interrupted program.
public struct ExtendedState: OptionSet, Hashable, Sendable {
  public var rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  // x86-64. The first three have the numbers that XCR0 gives them (Intel SDM, volume 1, 13.1), so
  // that a kernel's own constant can stand in an annotation.

  /// The x87 stack with its control, status and tag words; MMX registers are a part of it.
  public static let x87 = Self(rawValue: 1 << 0)
  /// XMM0 to XMM15 and MXCSR.
  public static let sse = Self(rawValue: 1 << 1)
  /// The upper halves of YMM0 to YMM15. An instruction with a VEX prefix clears or sets them.
  public static let avx = Self(rawValue: 1 << 2)
  /// Mask registers, the upper halves of ZMM0 to ZMM15, and ZMM16 to ZMM31 (XCR0 bits 5 to 7).
  public static let avx512 = Self(rawValue: 0b111 << 5)
  /// Tile configuration and data (XCR0 bits 17 and 18).
  public static let amx = Self(rawValue: 0b11 << 17)

  // AArch64, above what XCR0 uses.

  /// V0 to V31, FPCR and FPSR.
  public static let simd = Self(rawValue: 1 << 24)
  /// Z and P registers, FFR.
  public static let sve = Self(rawValue: 1 << 25)
  /// Streaming mode, ZA, ZT0.
  public static let sme = Self(rawValue: 1 << 26)

  /// All of x86-64.
  public static let allX86: Self = [.x87, .sse, .avx, .avx512, .amx]
  /// All of AArch64.
  public static let allARM: Self = [.simd, .sve, .sme]

  /// The groups' names, for messages: `SSE, AVX`.
  public var names: String {
    let all: [(Self, String)] = [
      (.x87, "x87"), (.sse, "SSE"), (.avx, "AVX"), (.avx512, "AVX-512"), (.amx, "AMX"),
      (.simd, "SIMD"), (.sve, "SVE"), (.sme, "SME"),
    ]
    return all.filter { !isDisjoint(with: $0.0) }.map(\.1).joined(separator: ", ")
  }
}
