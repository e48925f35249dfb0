#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// The ways that text leaves the machine.
public enum OutputChannel {
  /// The first serial port, a 16550: the application's standard output.
  case serial
  /// The debug console of QEMU and Bochs, port 0xE9: the kernel's log. One instruction a byte.
  case debugConsole

  private static let serialPort: UInt16 = 0x3F8
  private static let debugPort: UInt16 = 0xE9

  /// Brings the serial port to 8 data bits, no interrupts, FIFO on.
  static func configure() {
    apus_out8(serialPort + 1, 0)
    apus_out8(serialPort + 3, 0x03)
    apus_out8(serialPort + 2, 0x07)
    apus_out8(serialPort + 4, 0x03)
  }

  /// A debug console reads back its own port number.
  public static var hasDebugConsole: Bool { apus_in8(debugPort) == 0xE9 }

  /// Waits until the serial port has sent all it was given: what it still holds is lost when the
  /// machine ends.
  public static func drain() {
    // Transmitter empty, FIFO and shift register. Bounded: the port may not exist.
    for _ in 0..<1_000_000 {
      if apus_in8(serialPort + 5) & 0x40 != 0 { return }
      Processor.pause()
    }
  }

  /// Sends bytes, waiting for the device. Any context; callers keep lines apart.
  public func write(_ bytes: UnsafeRawBufferPointer) {
    guard var cursor = bytes.baseAddress else { return }
    switch self {
    case .debugConsole:
      apus_out_bytes(
        Self.debugPort, cursor.assumingMemoryBound(to: UInt8.self), UInt64(bytes.count))
    case .serial:
      var rest = bytes.count
      while rest > 0 {
        // Transmit FIFO empty: room for 16 bytes.
        while apus_in8(Self.serialPort + 5) & 0x20 == 0 { Processor.pause() }
        let burst = Swift.min(rest, 16)
        apus_out_bytes(
          Self.serialPort, cursor.assumingMemoryBound(to: UInt8.self), UInt64(burst))
        cursor += burst
        rest -= burst
      }
    }
  }
}
#endif
