#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// What CPUID says this CPU can do (volume 2, CPUID).
public enum ProcessorFeatures {
  static var highestLeaf: UInt32 { apus_cpuid(0, 0).eax }

  /// A VMM runs us.
  public static var isVirtual: Bool { apus_cpuid(1, 0).ecx & (1 << 31) != 0 }

  static var hasX2APIC: Bool { apus_cpuid(1, 0).ecx & (1 << 21) != 0 }
  static var hasTSCDeadline: Bool { apus_cpuid(1, 0).ecx & (1 << 24) != 0 }
  static var hasRandom: Bool { apus_cpuid(1, 0).ecx & (1 << 30) != 0 }

  /// SMEP, SMAP and UMIP as bits of CR4, those that this CPU has.
  static var protectionsInCR4: UInt64 {
    guard highestLeaf >= 7 else { return 0 }
    let leaf = apus_cpuid(7, 0)
    var bits: UInt64 = 0
    if leaf.ebx & (1 << 7) != 0 { bits |= ControlRegisters.smep }
    if leaf.ebx & (1 << 20) != 0 { bits |= ControlRegisters.smap }
    if leaf.ecx & (1 << 2) != 0 { bits |= ControlRegisters.umip }
    return bits
  }

  /// The first leaf of the VMM's own CPUID range whose three-register signature starts with
  /// `signature` (as EBX), or `nil`. VMMs stack their ranges at steps of 0x100.
  static func hypervisorLeaf(signature: UInt32) -> UInt32? {
    guard isVirtual else { return nil }
    for base in stride(from: UInt32(0x4000_0000), to: 0x4001_0000, by: 0x100) {
      let leaf = apus_cpuid(base, 0)
      if leaf.eax < base { return nil }
      if leaf.ebx == signature { return base }
    }
    return nil
  }

  /// The APIC id of this CPU, 32 bits wide where the CPU has leaf 0xB.
  static var apicID: UInt32 {
    if highestLeaf >= 0xB {
      let leaf = apus_cpuid(0xB, 0)
      if leaf.ebx != 0 { return leaf.edx }
    }
    return apus_cpuid(1, 0).ebx >> 24
  }
}
#endif
