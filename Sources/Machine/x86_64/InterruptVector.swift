#if hasFeature(Embedded) && arch(x86_64)
/// The vectors that the kernel uses. 0 to 31 are the CPU's exceptions, 32 to 47 stay free for a
/// legacy controller that was not masked in time. Those of devices begin at 0x50.
public enum InterruptVector: UInt8 {
  case timer = 0x40
  /// Run the functions in this CPU's mailbox, see `CrossCall`.
  case crossCall = 0x41
  /// End a halt; what there is to do is found by looking.
  case wake = 0x42
  /// Do what is urgent, see `UrgentCall`.
  case urgent = 0x43
  case spurious = 0xFF
}
#endif
