import Machine

/// An input of the machine's interrupt controllers, and when it interrupts.
public struct InterruptLine: Equatable, Sendable {
  /// What names it.
  enum Name: Equatable, Sendable {
    case isa(UInt8)
    case global(InterruptLineNumber, InterruptTrigger)
  }

  let name: Name

  /// A line of the ISA bus, 0...15, wherever the machine has connected it: 4 is the first serial port's,
  /// 8 the real-time clock's.
  public static func isa(_ number: UInt8) -> InterruptLine { InterruptLine(name: .isa(number)) }

  /// A line by its number in the machine: a global system interrupt of ACPI, an INTID of a GIC. The firmware's
  /// tables say which one a device has, and when it interrupts.
  public static func global(_ number: UInt32, _ trigger: InterruptTrigger) -> InterruptLine {
    InterruptLine(name: .global(InterruptLineNumber(number), trigger))
  }
}

/// What the firmware says of the lines of devices: filled in once, by the kernel.
public struct InterruptInputs {
  /// The controllers that have the lines.
  public var controllers = InterruptControllers()
  // ISA's lines are numbered as the machine's, unless the firmware says otherwise; they interrupt when they rise.
  private var isaNumbers = InlineArray<16, UInt32>(repeating: 0)
  private var isaTriggers = InlineArray<16, InterruptTrigger>(repeating: .risingEdge)

  init() {
    for index in 0..<16 { isaNumbers[index] = UInt32(index) }
  }

  /// Says where a line of the ISA bus arrives, and when it interrupts.
  public mutating func setISA(_ number: UInt8, _ line: UInt32, _ trigger: InterruptTrigger) {
    guard number < 16 else { return }
    isaNumbers[Int(number)] = line
    isaTriggers[Int(number)] = trigger
  }

  /// The line in the machine, and when it interrupts.
  func resolve(
    _ line: InterruptLine
  ) throws(InterruptError) -> (InterruptLineNumber, InterruptTrigger) {
    if controllers.isEmpty { throw .noController }
    switch line.name {
    case .isa(let number):
      guard number < 16 else { throw .noSuchLine }
      return (InterruptLineNumber(isaNumbers[Int(number)]), isaTriggers[Int(number)])
    case .global(let number, let trigger):
      return (number, trigger)
    }
  }
}
