/// The number of an interrupt input of the machine: a global system interrupt of ACPI, an INTID of a GIC.
public struct InterruptLineNumber: Hashable, Sendable {
  /// The number.
  public let rawValue: UInt32

  /// The line with this number.
  @inline(__always)
  public init(_ rawValue: UInt32) { self.rawValue = rawValue }
}

/// When a line interrupts.
public enum InterruptTrigger: UInt8, Sendable {
  /// When the signal rises.
  case risingEdge
  /// When the signal falls.
  case fallingEdge
  /// As long as the signal is high: until the handler has served its cause.
  case highLevel
  /// As long as the signal is low.
  case lowLevel

  /// The trigger of these properties.
  public init(isLevel: Bool, isInverted: Bool) {
    self =
      isLevel ? isInverted ? .lowLevel : .highLevel : isInverted ? .fallingEdge : .risingEdge
  }

  /// Whether the signal and not its change counts.
  @inline(__always)
  public var isLevel: Bool { rawValue >= 2 }
  /// Whether low means that the device wants something.
  @inline(__always)
  public var isInverted: Bool { rawValue & 1 != 0 }
}

/// What a device writes in order to interrupt (PCI's MSI and MSI-X).
public struct InterruptMessage: Equatable, Sendable {
  /// The physical address to write to.
  public let address: UInt64
  /// The number to write.
  public let data: UInt32
}

/// Why the machine's controllers cannot do what is asked of them.
public enum InterruptControllerError: Error, Equatable, Sendable {
  /// There is no controller that devices' lines are connected to.
  case noController
  /// No controller has the line.
  case noSuchLine
  /// The controllers cannot address the CPU: its hardware id is above 254.
  case unreachableCPU
}
