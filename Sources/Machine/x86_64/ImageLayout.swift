#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// The borders of the loaded image, from the linker script.
public enum ImageLayout {
  /// Where the image, and its code, begins.
  public static var start: UInt64 { apus_image_start() }
  /// End of code; the end of each part is page aligned.
  public static var textEnd: UInt64 { apus_text_end() }
  /// End of constants.
  public static var constantsEnd: UInt64 { apus_rodata_end() }
  /// The end of all data; page aligned.
  public static var end: UInt64 { apus_image_end() }
  /// The page that must be unmapped below the stack that the boot CPU starts on.
  public static var bootStackGuard: UInt64 { apus_boot_stack_guard_address() }
}
#endif
