#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// Channel 2 of the 8254 timer: the one clock of known rate that every PC has. It counts down
/// and interrupts nobody.
struct IntervalTimer {
  /// Counts per second.
  static let frequency: UInt64 = 1_193_182

  /// Starts a count-down from 65,535, which takes 54.9 ms.
  init() {
    // Gate on, speaker off; mode 0, low byte then high byte.
    apus_out8(0x61, apus_in8(0x61) & 0xFC | 1)
    apus_out8(0x43, 0xB0)
    apus_out8(0x42, 0xFF)
    apus_out8(0x42, 0xFF)
  }

  /// The present count.
  @inline(__always)
  func read() -> UInt64 {
    apus_out8(0x43, 0x80)
    let low = apus_in8(0x42)
    return UInt64(apus_in8(0x42)) << 8 | UInt64(low)
  }

  /// Whether the count-down is over: from then on counts come again. The output of the channel, by the
  /// read-back command.
  var isOver: Bool {
    apus_out8(0x43, 0xE8)
    return apus_in8(0x42) & 0x80 != 0
  }
}
#endif
