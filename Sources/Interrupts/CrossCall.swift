import CMachine
import Locking
import Machine
import PerCPU

/// Running a short function on other CPUs at once, in an interrupt.
///
/// The function runs with interrupts off; it may not sleep, allocate, or take a lock that is ever
/// held with interrupts on. For work that takes time there is `CPUWork`.
/// In Linux terms this is `smp_call_function_many`.
public enum CrossCall {
  static let mailboxes = CPULocal<Mailbox>()

  /// Memory that calls need for `count` CPUs.
  public static func byteCount(for count: Int) -> Int {
    CPULocal<Mailbox>.byteCount(for: count)
  }

  /// Makes calls possible; `storage` is never freed. On the boot CPU.
  public static func initialize(in storage: UnsafeMutableRawPointer, count: Int) {
    mailboxes.initialize(in: storage, count: count) { _ in Mailbox() }
  }

  /// Calls that run on their own, one per CPU and caller: memory of the caller's, which may not go
  /// or be used again before `isDone`.
  public struct Pending: ~Copyable {
    private let completion: UnsafeMutablePointer<Completion>
    private let requests: UnsafeMutableBufferPointer<Request>

    /// Allocates room for a call on up to `capacity` CPUs.
    public init(capacity: Int) {
      completion = .allocate(capacity: 1)
      completion.initialize(to: Completion(count: 0, waiter: .current))
      requests = .allocate(capacity: capacity)
    }

    /// Whether the function has run everywhere.
    public var isDone: Bool { completion.pointee.isDone }

    /// Asks each CPU of `cpus` to run `function(context, cpu)`, without waiting. The caller's own
    /// CPU is left out.
    public mutating func start(
      on cpus: CPUSet, _ function: @escaping @convention(c) (UnsafeRawPointer, Int) -> Void,
      context: UnsafeRawPointer
    ) {
      precondition(isDone, "a call is started again before it is done")
      Processor.disablePreemption()
      defer { Processor.enablePreemption() }
      let others = cpus.intersection(.online).subtracting(CPU.current)
      precondition(others.count <= requests.count, "a call on more CPUs than it has room for")
      completion.pointee = Completion(count: others.count, waiter: .current)
      var index = 0
      for cpu in others {
        let request = requests.baseAddress.map { $0 + index }
        request?.initialize(to: Request(function, context: context, completion: completion))
        if let request, mailboxes.pointer(for: cpu).pointee.post(request) {
          Processor.send(.crossCall, to: cpu.index)
        }
        index += 1
      }
    }

    /// Waits until the function has run everywhere, and meanwhile does what others ask of this
    /// CPU: two CPUs that call each other with interrupts off still both get on.
    public func wait() {
      while !isDone {
        CrossCall.handleAll()
        SpinWait.turn()
      }
    }

    deinit {
      wait()
      requests.deallocate()
      completion.deinitialize(count: 1)
      completion.deallocate()
    }
  }

  /// Runs `body` on every CPU of `cpus`, this one included if it is in the set, and waits until
  /// all are done.
  ///
  /// A part of its caller, so that the image shows which closure is handed over: isrcheck checks
  /// that one as interrupt code.
  @_transparent
  @_alwaysEmitIntoClient
  public static func run(on cpus: CPUSet, _ body: @Sendable (CPU) -> Void) {
    runInInterrupts(body, on: cpus)
  }

  /// Runs a lent closure, see `apus_run_in_interrupts`.
  fileprivate static func run(_ closure: UnsafeRawPointer, on cpus: CPUSet) {
    let cpus = cpus.intersection(.online)
    var call = Pending(capacity: cpus.count)
    // Which CPU is the caller's must not change between the two.
    Processor.withPreemptionDisabled {
      call.start(on: cpus, apus_call_closure, context: closure)
      if cpus.contains(.current) {
        Processor.withInterruptsDisabled { apus_call_closure(closure, CPU.current.index) }
      }
    }
    call.wait()
  }

  /// Does what other CPUs asked of this one.
  @inline(__always)
  public static func handleAll() {
    Processor.withInterruptsDisabled {
      // Whoever waits for a call spins, so nobody has to be woken.
      // What is done is interrupt code wherever it is done.
      Processor.withInterruptMarked { mailboxes.current.pointee.doAll(as: .current) { _ in } }
    }
  }
}

/// Lends a closure to `apus_cross_call`. The compiler passes a closure as two words, and a set of
/// CPUs as one.
@usableFromInline
@_silgen_name("apus_run_in_interrupts")
func runInInterrupts(_ body: @Sendable (CPU) -> Void, on cpus: CPUSet)

/// The other end of `runInInterrupts`: the closure lives until this returns.
@c(apus_cross_call)
public func crossCall(_ closure: UnsafeRawPointer, _ cpus: UInt64) {
  CrossCall.run(closure, on: CPUSet(bits: cpus))
}
