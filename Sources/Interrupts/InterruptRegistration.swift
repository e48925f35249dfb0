import CMachine
import Machine
import PerCPU

/// A registered handler, and the way of it from CPU to CPU. Modelled in `Models/InterruptRegistration.pml`.
///
/// A CPU finds the record by its table of vectors, in an interrupt and without a lock. So whoever takes a
/// record out of the table waits before it goes on, until the CPU is in no handler any more: it answers a call
/// (`InterruptRegistry.synchronise`), which no handler does.
@usableFromInline
struct InterruptRegistration: ~Copyable, Sendable {
  // Interrupts read the record; all else is done by the one that has this.
  private nonisolated(unsafe) let record: UnsafeMutablePointer<InterruptRecord>

  /// The end of this is not the end of the registration.
  var isKept = false

  var cpu: CPU { CPU(index: record.pointee.home.load(ordering: .relaxed)) }

  /// Puts the record where its interrupts find it, and lets them come. `record` is given back on error.
  @usableFromInline
  init(
    _ record: UnsafeMutablePointer<InterruptRecord>, _ line: InterruptLine?, on cpu: CPU
  ) throws(InterruptError) {
    do throws(InterruptError) {
      InterruptRegistry.prepare()
      if !CPUSet.online.contains(cpu) { throw .cpuOffline(cpu) }
      try InterruptRegistry.withState { state throws(InterruptError) in
        let resolved = try Self.resolve(line, state)
        let vector = try state.takeVector(of: cpu)
        record.pointee.line = resolved
        record.pointee.vector = vector
        record.pointee.home.store(cpu.index, ordering: .releasing)
        InterruptTable.set(record, for: vector, of: cpu)
        do throws(InterruptError) {
          try Self.connect(record, vector, of: cpu, &state)
        } catch {
          InterruptTable.clear(vector, of: cpu)
          state.giveBack(vector: vector, of: cpu)
          throw error
        }
        state.insert(record)
      }
    } catch {
      record.deinitialize(count: 1)
      record.deallocate()
      throw error
    }
    self.record = record
  }

  private static func resolve(
    _ line: InterruptLine?, _ state: borrowing InterruptRegistry.State
  ) throws(InterruptError) -> (number: InterruptLineNumber, trigger: InterruptTrigger)? {
    guard let line else { return nil }
    let resolved = try state.inputs.resolve(line)
    if let owner = state.owner(of: resolved.0) { throw .lineInUse(by: owner) }
    return resolved
  }

  /// Leads what the device sends to a vector of a CPU: a line at once, and a message when the device is told.
  private static func connect(
    _ record: UnsafeMutablePointer<InterruptRecord>, _ vector: Int, of cpu: CPU,
    _ state: inout InterruptRegistry.State
  ) throws(InterruptError) {
    do throws(InterruptControllerError) {
      if let line = record.pointee.line {
        try state.inputs.controllers.route(line.number, line.trigger, to: vector, of: cpu.index)
        // A thread that serves the device may not be through.
        if !record.pointee.isMasked { state.inputs.controllers.unmask(line.number) }
      } else {
        _ = try InterruptControllers.message(for: vector, of: cpu.index)
      }
    } catch {
      throw InterruptError(error, cpu)
    }
  }

  /// What the device has to write.
  var message: InterruptMessage { Self.message(for: record.pointee.vector, of: cpu) }

  private static func message(for vector: Int, of cpu: CPU) -> InterruptMessage {
    do throws(InterruptControllerError) {
      return try InterruptControllers.message(for: vector, of: cpu.index)
    } catch {
      // It could be reached when the vector was taken.
      fatalError("a CPU cannot be reached any more")
    }
  }

  /// Lets the handler run on another CPU.
  ///
  /// The record is at both places while the device is told, and at home at the old one: so nothing is a
  /// surprise, and the handler runs on one CPU. What comes to the new one too early is not handled, which
  /// the interrupt at the end makes up for. A line that is held back stays so, and its device waits.
  mutating func move(
    to new: CPU, _ program: (InterruptMessage) -> Void
  ) throws(InterruptError) {
    let old = cpu
    let oldVector = record.pointee.vector
    if !CPUSet.online.contains(new) { throw .cpuOffline(new) }
    if new == old { return }
    let record = record
    let vector = try InterruptRegistry.withState { state throws(InterruptError) in
      let vector = try state.takeVector(of: new)
      do throws(InterruptControllerError) {
        // Whether the CPU can be addressed, before anything is changed.
        _ = try InterruptControllers.message(for: vector, of: new.index)
      } catch {
        state.giveBack(vector: vector, of: new)
        throw InterruptError(error, new)
      }
      if let line = record.pointee.line { state.inputs.controllers.mask(line.number) }
      return vector
    }
    InterruptTable.set(record, for: vector, of: new)
    if record.pointee.line == nil { program(Self.message(for: vector, of: new)) }
    InterruptTable.leave(oldVector, of: old)
    InterruptRegistry.synchronise(with: old)
    record.pointee.vector = vector
    // While no CPU runs the handler.
    record.pointee.unhandledInARow = 0
    // Release pairs with the acquire in `InterruptTable.handle`: what the handler wrote there is seen, and the above.
    record.pointee.home.store(new.index, ordering: .releasing)
    InterruptTable.clear(oldVector, of: old)
    let isMasked = try InterruptRegistry.withState { state throws(InterruptError) in
      state.giveBack(vector: oldVector, of: old)
      if record.pointee.line != nil { try Self.connect(record, vector, of: new, &state) }
      return record.pointee.isMasked
    }
    if !isMasked { Processor.send(deviceVector: vector, to: new.index) }
  }

  /// Holds the interrupts of a line back, or lets them through. Any context.
  func setMasked(_ isMasked: Bool) {
    Processor.withInterruptsDisabledProof { setMasked(isMasked, $0) }
  }

  /// The same where interrupts are off.
  func setMasked(_ isMasked: Bool, _ proof: borrowing InterruptsDisabled) {
    InterruptRegistry.setMasked(record, isMasked, proof)
  }

  deinit {
    if isKept { return }
    let cpu = cpu
    let vector = record.pointee.vector
    setMasked(true)
    InterruptTable.leave(vector, of: cpu)
    InterruptRegistry.synchronise(with: cpu)
    InterruptTable.clear(vector, of: cpu)
    let record = record
    InterruptRegistry.withState { state in
      state.giveBack(vector: vector, of: cpu)
      state.remove(record)
    }
    record.deinitialize(count: 1)
    record.deallocate()
  }
}
