import Machine
import PerCPU

/// Why a handler was not registered, or not moved.
public enum InterruptError: Error, Sendable {
  /// The machine has no controller for lines of devices: use a device that sends messages, or another machine.
  case noController
  /// No controller has the line: look at the number that the firmware gives the device.
  case noSuchLine
  /// The line has a handler already, registered by that name: release that one first.
  case lineInUse(by: StaticString)
  /// The CPU does not run: choose one of `CPUSet.online`.
  case cpuOffline(CPU)
  /// As many handlers are on the CPU as it can tell apart: choose another one.
  case noVector(CPU)
  /// The controllers cannot address the CPU: choose one with a lower index.
  case unreachableCPU(CPU)

  init(_ error: InterruptControllerError, _ cpu: CPU) {
    switch error {
    case .noController: self = .noController
    case .noSuchLine: self = .noSuchLine
    case .unreachableCPU: self = .unreachableCPU(cpu)
    }
  }
}

extension InterruptError: TextOutputStreamable {
  /// Writes what is wrong and what to do, in one line.
  public func write<Target: TextOutputStream>(to target: inout Target) {
    switch self {
    case .noController:
      target.write("the machine has no controller for interrupt lines: use messages")
    case .noSuchLine:
      target.write("there is no such interrupt line: look it up in the firmware's tables")
    case .lineInUse(let name):
      target.write("the interrupt line is registered as \(name): release that first")
    case .cpuOffline(let cpu):
      target.write("CPU \(cpu.index) does not run: choose one of CPUSet.online")
    case .noVector(let cpu):
      target.write("CPU \(cpu.index) has no vector left: choose another CPU")
    case .unreachableCPU(let cpu):
      target.write("CPU \(cpu.index) cannot be addressed by devices: choose a lower one")
    }
  }
}
