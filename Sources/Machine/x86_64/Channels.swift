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

/// The end of the machine.
public enum PowerControl {
  /// Ends the VM. `code` reaches whoever started QEMU as `code << 1 | 1`; on machines without
  /// that device the keyboard controller resets, which ends a VM that may not reboot.
  public static func powerOff(code: UInt32) -> Never {
    apus_out32(0xF4, code)
    apus_out8(0x64, 0xFE)
    Processor.halt()
  }
}

/// Marks for the counting plugin: see `Sources/InstructionCounter`.
public enum InstructionMark {
  public static let main: UInt64 = 1
  public static let exit: UInt64 = 2
  /// The first mark of the application's own, and how many there are.
  public static let firstOfApplication: UInt64 = 8
  public static let count: UInt64 = 64

  /// Passes mark `number` (below `count`): a call and a return.
  @inline(__always)
  public static func pass(_ number: UInt64) { apus_mark(number) }
}

/// A seed that differs from boot to boot where the hardware can give one.
public enum HardwareRandom {
  /// 64 random bits of RDRAND, or the time stamp where there is none: never for secrets.
  public static func seed() -> UInt64 {
    if ProcessorFeatures.hasRandom {
      for _ in 0..<10 {
        let word = apus_rdrand()
        if word != 0 { return word }
      }
    }
    return apus_rdtsc() &* 0x9E37_79B9_7F4A_7C15
  }
}
#endif
