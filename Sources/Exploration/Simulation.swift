import CMachine
import Machine

/// The simulated machine of one run, as a scenario's set-up sees it.
public final class Simulation {
  var bodies: [() -> Void] = []
  var invariants: [(String, () -> Bool)] = []
  var standstills: [(String, () -> Bool)] = []
  var endChecks: [() -> Void] = []
  var interruptHandler: ((UInt64) -> Void)?
  var interruptExit: (() -> Void)?
  var interrupts: [(vector: InterruptVector, cpu: Int, times: Int)] = []
  var labels: [(range: Range<UInt>, name: String)] = []
  /// What left the machine, by channel.
  public internal(set) var output: [OutputChannel: [UInt8]] = [:]
  private var kept: [AnyObject] = []

  /// Ends the run as failed.
  var fail: (String) -> Void = { _ in }
  /// Lets the clock go on.
  var advance: (UInt64) -> Void = { _ in }

  /// Adds a CPU that does `body`, with interrupts on at the start; afterwards it idles and still
  /// takes interrupts. CPUs have indices in the order of these calls, from 0 on.
  public func cpu(_ body: @escaping () -> Void) { bodies.append(body) }

  /// What a CPU does when an interrupt comes, with interrupts off: the kernel's `handleInterrupt`,
  /// most often.
  public func onInterrupt(_ handler: @escaping (_ vector: UInt64) -> Void) {
    interruptHandler = handler
  }

  /// What a CPU does after that, outside of the interrupt, with interrupts off, unless it was halted: there it
  /// may leave its stack for another one.
  public func onInterruptExit(_ body: @escaping () -> Void) { interruptExit = body }

  /// Lets an interrupt come on a CPU at any time while interrupts are on, so many times at least.
  public func interrupt(_ vector: InterruptVector, on cpu: Int, times: Int = 1) {
    interrupts.append((vector, cpu, times))
  }

  /// What must hold before each operation of any CPU. Costs time: it is asked at every step.
  public func invariant(_ name: String, _ holds: @escaping () -> Bool) {
    invariants.append((name, holds))
  }

  /// What must hold where no CPU goes on by itself: each halts, or spins and nobody writes, and no interrupt is
  /// pending. What was on its way has arrived there.
  public func atStandstill(_ name: String, _ holds: @escaping () -> Bool) {
    standstills.append((name, holds))
  }

  /// What is done when all CPUs are through: the place for checks of the whole.
  public func atEnd(_ body: @escaping () -> Void) { endChecks.append(body) }

  /// Ends the run as failed if the condition is false. In `cpu` bodies, handlers, and `atEnd`.
  public func check(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition { fail(message()) }
  }

  /// Gives memory a name for traces.
  public func label(_ pointer: UnsafeRawPointer, byteCount: Int, _ name: String) {
    let start = UInt(bitPattern: pointer)
    labels.append((start..<start + UInt(byteCount), name))
  }

  /// Keeps an object until the run is over, for those that are known by address only.
  public func keep(_ object: AnyObject) { kept.append(object) }

  /// Lets go of all that the scenario gave: its closures refer to this object.
  func clear() {
    bodies = []
    invariants = []
    standstills = []
    endChecks = []
    interruptHandler = nil
    interruptExit = nil
    kept = []
  }

  /// Lets so many nanoseconds pass, as if the CPU had computed for so long. In `cpu` bodies.
  public func passTime(nanoseconds: UInt64) {
    advance(nanoseconds)
    yieldPoint()
  }

  /// A place where other CPUs may run that is no operation of the machine's: between two accesses to
  /// ordinary memory.
  public func yieldPoint() { apus_explore_step(SimulatedOperation.fence.rawValue, 0, 0) }
}
