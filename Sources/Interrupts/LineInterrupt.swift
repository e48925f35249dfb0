import CMachine
import Machine
import PerCPU

/// The handler of an interrupt line, for as long as this exists.
///
///     let interrupt = try LineInterrupt(.isa(4), on: cpu, name: "serial") { context in
///       guard port.hasInput else { return .notHandled }
///       port.takeInput()
///       arrived.signal(from: context)
///       return .handled
///     }
///
/// The handler runs on one CPU, never on two at a time. It may be called although the device wants nothing:
/// after a move, and if lines that count by their change come late.
public struct LineInterrupt: ~Copyable, Sendable {
  @usableFromInline var registration: InterruptRegistration

  @usableFromInline
  init(registration: consuming InterruptRegistration) { self.registration = registration }

  /// Registers `handler` for `line`, to run on `cpu`, under a `name` for reports, and lets the line through.
  /// Interrupts of devices come from the first one on that comes after this. In threads. Allocates.
  ///
  /// A part of its caller, so that the image shows which handler is handed over: isrcheck checks that one as
  /// interrupt code.
  @_transparent
  @_alwaysEmitIntoClient
  public init(
    _ line: InterruptLine, on cpu: CPU, name: StaticString, _ handler: @escaping InterruptHandler
  ) throws(InterruptError) {
    let record = makeInterruptRecord(handler)
    record.pointee.keep(handler, name)
    self.init(registration: try InterruptRegistration(record, line, on: cpu))
  }

  /// The CPU on which the handler runs.
  public var cpu: CPU { registration.cpu }

  /// Lets the handler run on another CPU. When this returns, it runs on the old one no more; no interrupt is
  /// lost, and it may be called once without need. A line that is held back stays so. In threads.
  public mutating func move(to cpu: CPU) throws(InterruptError) {
    try registration.move(to: cpu) { _ in }
  }

  /// Holds the line's interrupts back: none sets out any more, but the handler may still be called for one that
  /// has. Any context; a handler does it by its response.
  public borrowing func mask() { registration.setMasked(true) }

  /// Lets the line's interrupts through again. Any context.
  public borrowing func unmask() { registration.setMasked(false) }

  /// Lets the handler stay registered until the machine ends.
  public consuming func keepForever() { registration.isKept = true }

  /// Ends the registration: when this returns, the handler runs on no CPU and will not again. What it refers to
  /// may go. The end of the value's life does the same. In threads.
  public consuming func release() {}
}

/// The handler of interrupts that a device sends as messages (PCI's MSI and MSI-X), for as long as this exists.
///
/// The driver writes `message` to its device. The handler runs on one CPU, never on two at a time.
public struct MessageInterrupt: ~Copyable, Sendable {
  @usableFromInline var registration: InterruptRegistration

  @usableFromInline
  init(registration: consuming InterruptRegistration) { self.registration = registration }

  /// Registers `handler` for a message of its own, to run on `cpu`, under a `name` for reports. In threads.
  /// Allocates.
  ///
  /// A part of its caller, so that the image shows which handler is handed over: isrcheck checks that one as
  /// interrupt code.
  @_transparent
  @_alwaysEmitIntoClient
  public init(
    on cpu: CPU, name: StaticString, _ handler: @escaping InterruptHandler
  ) throws(InterruptError) {
    let record = makeInterruptRecord(handler)
    record.pointee.keep(handler, name)
    self.init(registration: try InterruptRegistration(record, nil, on: cpu))
  }

  /// The CPU on which the handler runs.
  public var cpu: CPU { registration.cpu }

  /// What the device has to write, and where.
  public var message: InterruptMessage { registration.message }

  /// Lets the handler run on another CPU. `program` tells the device the new message; what the device sends by
  /// the old one before it knows is not lost. When this returns, the handler runs on the old CPU no more. It may
  /// be called once without need. In threads.
  public mutating func move(
    to cpu: CPU, _ program: (InterruptMessage) -> Void
  ) throws(InterruptError) {
    try registration.move(to: cpu, program)
  }

  /// Ends the registration: when this returns, the handler runs on no CPU and will not again. The device must
  /// have been told to send no more: its messages would reach whoever gets the vector next. The end of the
  /// value's life does the same. In threads.
  public consuming func release() {}
}
