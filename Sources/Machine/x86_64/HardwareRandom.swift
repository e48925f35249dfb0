#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// A seed that differs from boot to boot where the hardware can give one.
public enum HardwareRandom {
  /// 64 random bits of RDRAND, or the time stamp where there is none: never for secrets.
  public static func seed() -> UInt64 {
    if ProcessorFeatures.hasRandom {
      for _ in 0..<10 {
        let word = apus_rdrand()
        if word != 0 { return word }
      }
    }
    return apus_rdtsc() &* 0x9E37_79B9_7F4A_7C15
  }
}
#endif
