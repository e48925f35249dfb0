#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// What comes in by the first serial port, a 16550 (data sheet of the PC16550D, chapter 8), whose line of the ISA
/// bus is 4. What is sent goes by `OutputChannel`.
public enum SerialInput {
  /// The line of the ISA bus by which the port interrupts.
  public static var isaLine: UInt8 { 4 }

  private static let port: UInt16 = 0x3F8

  /// Lets the port interrupt while it holds bytes. Its line goes by the modem's output 2.
  public static func start() {
    apus_out8(port + 4, 0x0B)
    setInterrupting(true)
  }

  /// Whether the port interrupts while it holds bytes. What comes meanwhile waits in it, and then at whoever sends.
  /// Turned on, it interrupts at once if it holds some.
  public static func setInterrupting(_ isInterrupting: Bool) {
    apus_out8(port + 1, isInterrupting ? 1 : 0)
  }

  /// Whether there is a byte.
  public static var hasByte: Bool { apus_in8(port + 5) & 1 != 0 }

  /// The next byte; there must be one.
  public static func takeByte() -> UInt8 { apus_in8(port) }
}
#endif
