#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// The controllers that take the lines of devices to CPUs. Used by one CPU at a time, with interrupts off.
public struct InterruptControllers {
  // Servers have one for each socket and bridge; `nil` behind the last one.
  private var controllers = InlineArray<8, IOAPIC?>(repeating: nil)
  private var count = 0

  /// None yet.
  public init() {}

  /// Whether there is none.
  public var isEmpty: Bool { count == 0 }

  /// Adds the controller with registers at `address`, which must be mapped, and `firstLine` as its first line,
  /// and masks all its lines: the firmware may have left some open. One whose lines another one has already,
  /// and the ninth, are left out.
  public mutating func add(address: UInt64, firstLine: UInt32) {
    guard count < 8, controller(of: InterruptLineNumber(firstLine)) == nil else { return }
    let controller = IOAPIC(address: address, firstLine: firstLine)
    for line in firstLine..<firstLine + controller.lineCount { controller.setMasked(line, true) }
    controllers[count] = controller
    count += 1
  }

  private func controller(of line: InterruptLineNumber) -> IOAPIC? {
    for index in 0..<count {
      if let controller = controllers[index], controller.contains(line.rawValue) {
        return controller
      }
    }
    return nil
  }

  /// Whether one of them has the line.
  public func contains(_ line: InterruptLineNumber) -> Bool { controller(of: line) != nil }

  /// Leads a line to a CPU, as its device vector `vector`. The line is masked after this.
  public func route(
    _ line: InterruptLineNumber, _ trigger: InterruptTrigger, to vector: Int, of cpu: Int
  ) throws(InterruptControllerError) {
    guard count > 0 else { throw .noController }
    guard let controller = controller(of: line) else { throw .noSuchLine }
    controller.route(
      line.rawValue, trigger, vector: Processor.number(ofDeviceVector: vector),
      to: try Self.destination(cpu))
  }

  /// Holds the interrupts of a line back: none sets out any more when this has returned.
  public func mask(_ line: InterruptLineNumber) {
    controller(of: line)?.setMasked(line.rawValue, true)
  }

  /// Lets them through.
  public func unmask(_ line: InterruptLineNumber) {
    controller(of: line)?.setMasked(line.rawValue, false)
  }

  /// What a device has to write for the device vector `vector` of a CPU (volume 3, 11.11): an edge, and the
  /// CPU by its id.
  public static func message(
    for vector: Int, of cpu: Int
  ) throws(InterruptControllerError) -> InterruptMessage {
    InterruptMessage(
      address: 0xFEE0_0000 | UInt64(try destination(cpu)) << 12,
      data: UInt32(Processor.number(ofDeviceVector: vector)))
  }

  /// Eight bits without interrupt remapping, and all ones are all CPUs.
  private static func destination(_ cpu: Int) throws(InterruptControllerError) -> UInt32 {
    guard let id = Processor.hardwareID(of: cpu), id < 255 else { throw .unreachableCPU }
    return id
  }
}

extension Processor {
  /// How many interrupts of devices a CPU tells apart.
  public static var deviceVectorCount: Int { 64 }
  /// The vector of the first one. They are above the kernel's own: a CPU takes what is pending of devices
  /// before it answers a call of another CPU (volume 3, 11.8.3).
  static var firstDeviceVector: UInt8 { 0x50 }

  @inline(__always)
  static func number(ofDeviceVector index: Int) -> UInt8 {
    firstDeviceVector + UInt8(truncatingIfNeeded: index)
  }

  /// Which device vector an interrupt is; `nil` if it is none.
  @inline(__always)
  public static func deviceVector(of interrupt: UInt64) -> Int? {
    let index = Int(truncatingIfNeeded: interrupt) - Int(firstDeviceVector)
    return index >= 0 && index < deviceVectorCount ? index : nil
  }

  /// Sends a CPU what a device would send it. What was written before is seen by the handler. Any context.
  public static func send(deviceVector index: Int, to cpu: Int) {
    guard let id = hardwareID(of: cpu) else { return }
    withInterruptsDisabled {
      LocalAPIC.send(.fixed, vector: number(ofDeviceVector: index), to: id)
    }
  }
}
#endif
