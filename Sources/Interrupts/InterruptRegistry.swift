import CMachine
import Console
import Locking
import Machine
import PerCPU

/// All registered handlers, the vectors of all CPUs, and the controllers. Modelled in
/// `Models/InterruptRegistration.pml` and `Models/InterruptMask.pml`.
///
/// Nothing of it is in an image that registers no handler.
enum InterruptRegistry {
  enum RegistryLock: LockClass {
    typealias Context = InterruptSafe
    typealias Level = TimerLevel
    static var name: StaticString { "interrupt registry" }
  }

  /// In the heap, so that an image without devices has no room for it.
  struct State {
    var inputs: InterruptInputs
    /// The free device vectors of each CPU.
    var free: InlineArray<64, UInt64>
    var first: UnsafeMutablePointer<InterruptRecord>?
  }

  struct Place {
    var state: UnsafeMutablePointer<State>?
  }

  // Interrupt-safe: a handler may mask its line.
  private static let registry = SpinLock<RegistryLock, Place>(Place())

  /// Makes the registry, if it was not made before. In threads.
  static func prepare() {
    if registry.withLockAndInterruptsDisabled({ $0.state != nil }) { return }
    var inputs = InterruptInputs()
    withUnsafeMutablePointer(to: &inputs) { apus_find_interrupt_inputs($0) }
    let vectors: UInt64 =
      Processor.deviceVectorCount == 64 ? .max : 1 << UInt64(Processor.deviceVectorCount) - 1
    let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
    state.initialize(
      to: State(inputs: inputs, free: InlineArray(repeating: vectors), first: nil))
    InterruptTable.prepare()
    let isFirst = registry.withLockAndInterruptsDisabled { place in
      if place.state != nil { return false }
      place.state = state
      return true
    }
    // Somebody else was quicker, and nobody knows this one.
    if !isFirst {
      state.deinitialize(count: 1)
      state.deallocate()
    }
  }

  /// Runs `body` on the state, alone and with interrupts off. After `prepare`.
  @inline(__always)
  static func withState<Result, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try Processor.withInterruptsDisabledProof { proof throws(Failure) in
      try withState(interruptsDisabled: proof, body)
    }
  }

  /// The same where interrupts are off.
  @inline(__always)
  static func withState<Result, Failure: Error>(
    interruptsDisabled proof: borrowing InterruptsDisabled,
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try registry.withLock(interruptsDisabled: proof) { place throws(Failure) in
      guard let state = place.state else { fatalError("no handler is registered") }
      return try body(&state.pointee)
    }
  }

  /// Holds a handler's line back, or lets it through. With interrupts off.
  @inline(never)
  static func setMasked(
    _ record: UnsafeMutablePointer<InterruptRecord>, _ isMasked: Bool,
    _ proof: borrowing InterruptsDisabled
  ) {
    withState(interruptsDisabled: proof) { state in
      guard let line = record.pointee.line?.number else { return }
      record.pointee.isMasked = isMasked
      if isMasked {
        state.inputs.controllers.mask(line)
      } else {
        let count = record.pointee.unmaskings.load(ordering: .relaxed)
        record.pointee.unmaskings.store(count &+ 1, ordering: .relaxed)
        state.inputs.controllers.unmask(line)
      }
    }
  }

  /// Holds a handler's line back, unless it was let through since there were so many `unmaskings`. With
  /// interrupts off.
  @inline(never)
  static func mask(
    _ record: UnsafeMutablePointer<InterruptRecord>, unlessUnmaskedSince unmaskings: UInt64,
    _ proof: borrowing InterruptsDisabled
  ) {
    withState(interruptsDisabled: proof) { state in
      guard let line = record.pointee.line?.number,
        record.pointee.unmaskings.load(ordering: .relaxed) == unmaskings
      else { return }
      record.pointee.isMasked = true
      state.inputs.controllers.mask(line)
    }
  }

  /// Waits until a CPU has come to the end of what device interrupts it was in or had accepted. In threads.
  ///
  /// It answers a call in no handler; and what was accepted before the call is above it.
  static func synchronise(with cpu: CPU) { CrossCall.run(on: CPUSet(cpu)) { _ in } }

  /// Holds the line of a handler back which says again and again that it does not know why it was called. In
  /// interrupts, on its home.
  @inline(never)
  static func reportStorm(_ record: UnsafeMutablePointer<InterruptRecord>) {
    let line = record.pointee.line
    InterruptsDisabled.assumed { setMasked(record, true, $0) }
    let what: StaticString =
      line != nil
      ? "its line is masked until it is let through or registered again" : "the device goes on"
    Log.error(
      "interrupt \(record.pointee.name): \(record.pointee.unhandledInARow) in a row were not its device's; \(what)"
    )
  }
}

extension InterruptRegistry.State {
  /// Takes a device vector of a CPU.
  mutating func takeVector(of cpu: CPU) throws(InterruptError) -> Int {
    let vectors = free[cpu.index]
    if vectors == 0 { throw .noVector(cpu) }
    free[cpu.index] = vectors & (vectors - 1)
    return vectors.trailingZeroBitCount
  }

  mutating func giveBack(vector: Int, of cpu: CPU) { free[cpu.index] |= 1 << UInt64(vector) }

  mutating func insert(_ record: UnsafeMutablePointer<InterruptRecord>) {
    record.pointee.next = first
    first = record
  }

  mutating func remove(_ record: UnsafeMutablePointer<InterruptRecord>) {
    if first == record {
      first = record.pointee.next
      return
    }
    var previous = first
    while let current = previous {
      if current.pointee.next == record {
        current.pointee.next = record.pointee.next
        return
      }
      previous = current.pointee.next
    }
  }

  /// Who has a line.
  func owner(of line: InterruptLineNumber) -> StaticString? {
    var record = first
    while let current = record {
      if current.pointee.line?.number == line { return current.pointee.name }
      record = current.pointee.next
    }
    return nil
  }
}

#if !hasFeature(Embedded)
/// On the host there is one simulated controller.
@c(apus_find_interrupt_inputs)
public func findInterruptInputs(_ inputs: UnsafeMutableRawPointer) {
  inputs.assumingMemoryBound(to: InterruptInputs.self).pointee.controllers
    .add(address: 0, firstLine: 0)
}
#endif
