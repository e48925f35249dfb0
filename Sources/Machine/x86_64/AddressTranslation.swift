#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// The address translation of the calling CPU.
public enum AddressTranslation {
  /// The physical address of the root table in use.
  public static var root: UInt64 { apus_read_cr3() & 0x000F_FFFF_FFFF_F000 }

  /// Changes to another root table and forgets everything: no page of the kernel is global. The write
  /// is serialising (volume 3, 9.3): what was stored before is seen by the first walk.
  public static func use(root: UInt64) { apus_write_cr3(root) }

  /// Forgets what this CPU remembers of one page, and of all tables (volume 3, 4.10.4.1).
  @inline(__always)
  public static func forget(_ address: UInt64) { apus_invlpg(address) }

  /// Forgets everything.
  public static func forgetAll() { apus_write_cr3(apus_read_cr3()) }
}
#endif
