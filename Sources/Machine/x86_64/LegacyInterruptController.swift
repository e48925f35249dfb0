#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// The pair of 8259 interrupt controllers, which PVH hands over in whatever state the firmware
/// left them: their vectors would look like exceptions.
enum LegacyInterruptController {
  static func mask() {
    apus_out8(0x21, 0xFF)
    apus_out8(0xA1, 0xFF)
  }
}
#endif
