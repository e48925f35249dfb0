#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// The address translation of the calling CPU.
public enum AddressTranslation {
  /// The physical address of the root table in use.
  public static var root: UInt64 { apus_read_cr3() & 0x000F_FFFF_FFFF_F000 }

  /// Forgets what this CPU remembers of one page.
  @inline(__always)
  public static func forget(_ address: UInt64) { apus_invlpg(address) }

  /// Forgets everything.
  public static func forgetAll() { apus_write_cr3(apus_read_cr3()) }
}

/// The borders of the loaded image, from the linker script.
public enum ImageLayout {
  public static var start: UInt64 { apus_image_start() }
  /// End of code; the end of each part is page aligned.
  public static var textEnd: UInt64 { apus_text_end() }
  /// End of constants.
  public static var constantsEnd: UInt64 { apus_rodata_end() }
  public static var end: UInt64 { apus_image_end() }
  /// The page that must be unmapped below the stack that the boot CPU starts on.
  public static var bootStackGuard: UInt64 { apus_boot_stack_guard_address() }
}
#endif
