/// The number by which a processor's local APIC is addressed. Numbers need not be dense.
public struct APICID: Comparable, Sendable {
  /// The number; at most 254 where processors are addressed through an xAPIC.
  public let rawValue: UInt32

  /// The id with the given number.
  public init(_ rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// Orders ids as numbers.
  public static func < (left: APICID, right: APICID) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// An I/O APIC, which takes interrupts of devices to processors.
public struct IOAPIC: Equatable, Sendable {
  /// Its own APIC id.
  public let id: UInt8
  /// The physical address of its registers.
  public let address: UInt64
  /// The first of the global system interrupts that its inputs are.
  public let interruptBase: UInt32
}

/// An interrupt line of the old PC that does not arrive at the input of the same number.
public struct InterruptSourceOverride: Equatable, Sendable {
  /// The number of the ISA interrupt.
  public let source: UInt8
  /// The global system interrupt at which it arrives.
  public let interrupt: UInt32
  /// Polarity in bits 0 and 1, trigger mode in bits 2 and 3; 0 means as on the bus.
  public let flags: UInt16

  /// Whether it interrupts as long as the signal is there. As on the bus is when the signal rises
  /// (ACPI specification, table 5.26).
  public var isLevel: Bool { flags >> 2 & 3 == 3 }
  /// Whether a low signal is one.
  public var isActiveLow: Bool { flags & 3 == 3 }
}
