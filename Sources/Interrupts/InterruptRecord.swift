import CMachine
import Machine
import PerCPU

/// What a handler says of an interrupt.
public struct InterruptResponse: Equatable, Sendable {
  // A word, since C hands it on.
  let rawValue: UInt32

  /// It was the device's, and its cause is served.
  public static var handled: InterruptResponse { InterruptResponse(rawValue: 0) }
  /// It was the device's, and a thread serves its cause: the line is held back until that one calls
  /// `LineInterrupt.unmask`. Of a message, the same as `handled`.
  public static var handledAndMasked: InterruptResponse { InterruptResponse(rawValue: 2) }
  /// The device wanted nothing. Too many of these in a row are reported, and a line is masked then.
  public static var notHandled: InterruptResponse { InterruptResponse(rawValue: 1) }
}

/// What runs in an interrupt of a device: on the CPU for which it is registered, with interrupts off. It may
/// not allocate, print, take plain locks or wait, which `apus build` proves. It may be called although
/// the device wants nothing.
public typealias InterruptHandler =
  @Sendable (borrowing InterruptContext) -> InterruptResponse

/// All that is known of a registered handler.
@usableFromInline
struct InterruptRecord: ~Copyable {
  /// The handler, lent: interrupts count no references. First, where C finds it.
  let closure: apus_closure
  /// The same handler, which keeps what it refers to alive.
  private var kept: InterruptHandler? = nil

  /// What reports call it.
  var name: StaticString = ""
  /// The CPU on which the handler runs. Release and acquire: what its last run on the CPU before has written
  /// is seen.
  let home = Atomic<Int>(-1)

  // Of the one that has the registration, or guarded by the lock of `InterruptRegistry` where said.
  /// Guarded; `nil` for messages.
  var line: (number: InterruptLineNumber, trigger: InterruptTrigger)?
  var vector = 0
  /// Guarded; the line is held back until somebody lets it through, wherever it leads meanwhile.
  var isMasked = false
  /// Guarded; others that are registered.
  var next: UnsafeMutablePointer<InterruptRecord>?

  /// How often the line was let through. Written with the registry's lock.
  let unmaskings = Atomic<UInt64>(0)

  // Written by the home's handler only, and so seen in order.
  var unhandledInARow: UInt64 = 0
  let unhandled = Atomic<UInt64>(0)
  /// A word for each CPU.
  private let counts: UnsafeMutablePointer<Atomic<UInt64>>
  private let cpuCount: Int

  init(_ closure: apus_closure) {
    self.closure = closure
    cpuCount = CPU.count
    counts = .allocate(capacity: cpuCount)
    for index in 0..<cpuCount { (counts + index).initialize(to: Atomic(0)) }
  }

  deinit { counts.deallocate() }

  /// Keeps the handler, which is called `name` in reports.
  @usableFromInline
  mutating func keep(_ handler: @escaping InterruptHandler, _ name: StaticString) {
    kept = handler
    self.name = name
  }

  /// Counts an interrupt. On the handler's home.
  @inline(__always)
  func count(on cpu: Int) {
    let word = counts + cpu
    word.pointee.store(word.pointee.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
  }

  /// How many interrupts there were on a CPU.
  func count(of cpu: Int) -> UInt64 {
    cpu < cpuCount ? counts[cpu].load(ordering: .relaxed) : 0
  }
}

/// Lends a handler to a new record: the compiler passes a closure as two words. By this name, so that isrcheck
/// checks each handler that is handed over as interrupt code.
@usableFromInline
@_silgen_name("apus_make_interrupt_record")
func makeInterruptRecord(
  _ handler: @escaping InterruptHandler
) -> UnsafeMutablePointer<InterruptRecord>

/// The other end of `makeInterruptRecord`.
@c(apus_allocate_interrupt_record)
public func allocateInterruptRecord(_ closure: UnsafeRawPointer) -> UnsafeMutableRawPointer {
  let record = UnsafeMutablePointer<InterruptRecord>.allocate(capacity: 1)
  record.initialize(
    to: InterruptRecord(closure.assumingMemoryBound(to: apus_closure.self).pointee))
  return UnsafeMutableRawPointer(record)
}
