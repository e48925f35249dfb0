#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// CR0, CR4 and EFER as every CPU has them (volume 3, 2.5).
enum ControlRegisters {
  static let smep: UInt64 = 1 << 20
  static let smap: UInt64 = 1 << 21
  static let umip: UInt64 = 1 << 11

  /// PG, WP (the kernel respects read-only pages), NE, MP, PE; caches on (no CD, no NW).
  static let cr0: UInt64 = 0x8001_0023
  /// PAE, OSFXSR, OSXMMEXCPT, and MCE so that a machine check is a trap and no shutdown.
  private static let cr4Base: UInt64 = 0x20 | 0x200 | 0x400 | 0x40
  /// The same with what this CPU has to protect the kernel.
  static var cr4: UInt64 { cr4Base | ProcessorFeatures.protectionsInCR4 }
  /// LME and NXE.
  static let efer: UInt64 = 0x900

  /// Brings this CPU to the common state.
  ///
  /// SMEP and SMAP guard against code and data of a user mode that a unikernel does not have; they
  /// are on so that a page marked "user" by mistake can never be used.
  static func configure() {
    apus_write_cr0(cr0)
    apus_reset_vectors()
    apus_write_cr4(cr4)
    apus_wrmsr(ModelSpecificRegister.efer, apus_rdmsr(ModelSpecificRegister.efer) | efer)
  }
}

/// Numbers of model-specific registers (volume 4).
enum ModelSpecificRegister {
  static let apicBase: UInt32 = 0x1B
  static let tscDeadline: UInt32 = 0x6E0
  static let x2APIC: UInt32 = 0x800
  static let efer: UInt32 = 0xC000_0080
  static let gsBase: UInt32 = 0xC000_0101
}
#endif
