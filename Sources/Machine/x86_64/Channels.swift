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

/// The end of the machine.
public enum PowerControl {
  // Where the ACPI sleep register is, and what to write there; 0 for none. Written once by the boot
  // CPU before any other runs.
  private static let sleepPort = Atomic<UInt64>(0)
  private static let sleepAddress = Atomic<UInt64>(0)
  private static let sleepValue = Atomic<UInt8>(0)

  /// Makes `powerOff` use an ACPI sleep register too: an I/O port, or memory.
  public static func setSleepRegister(port: UInt16, value: UInt8) {
    sleepPort.store(UInt64(port), ordering: .relaxed)
    sleepValue.store(value, ordering: .relaxed)
  }

  public static func setSleepRegister(address: UInt64, value: UInt8) {
    sleepAddress.store(address, ordering: .relaxed)
    sleepValue.store(value, ordering: .relaxed)
  }

  /// Ends the VM. `code` reaches whoever started QEMU as `code << 1 | 1`. Without that device the
  /// ACPI sleep register ends it (Cloud Hypervisor, QEMU's microvm), or a reset by the keyboard
  /// controller (Firecracker, and any VM that may not reboot).
  public static func powerOff(code: UInt32) -> Never {
    OutputChannel.drain()
    apus_out32(0xF4, code)
    let port = sleepPort.load(ordering: .relaxed)
    let address = sleepAddress.load(ordering: .relaxed)
    let value = sleepValue.load(ordering: .relaxed)
    if port != 0 { apus_out8(UInt16(truncatingIfNeeded: port), value) }
    if address != 0 { apus_mmio_write8(address, value) }
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
