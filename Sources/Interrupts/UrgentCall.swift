import CMachine
import Locking
import Machine
import PerCPU

/// Running a function on other CPUs that takes no lock and does not wait: each CPU answers even while
/// it spins with interrupts off (`SpinWait`), so the caller may hold locks while it waits.
///
/// This is how translations are shot down. For a function that takes interrupt-safe locks there is
/// `CrossCall`, whose caller may hold none.
public enum UrgentCall {
  static let mailboxes = CPULocal<Mailbox>()

  /// Memory that calls need for `count` CPUs.
  public static func byteCount(for count: Int) -> Int {
    CPULocal<Mailbox>.byteCount(for: count)
  }

  /// Makes calls possible; `storage` is never freed. On the boot CPU.
  public static func initialize(in storage: UnsafeMutableRawPointer, count: Int) {
    mailboxes.initialize(in: storage, count: count) { _ in Mailbox() }
  }

  /// Runs `function(context, cpu)` on every CPU of `cpus` that is online, this one included if it is in
  /// the set, with interrupts off, and waits until all are done. Meanwhile what others ask of this CPU
  /// is done. Not in interrupts; locks may be held. `function` takes no lock, waits for nobody, and ends
  /// after few instructions.
  ///
  /// A part of its caller, so that the image shows which function is handed over: isrcheck checks that
  /// one as interrupt code.
  @_transparent
  @_alwaysEmitIntoClient
  public static func run(
    on cpus: CPUSet, _ function: @convention(c) (_ context: UnsafeRawPointer, _ cpu: Int) -> Void,
    context: UnsafeRawPointer
  ) {
    apus_urgent_call(function, context, cpus.rawValue)
  }

  fileprivate static func send(
    _ function: @escaping @convention(c) (UnsafeRawPointer, Int) -> Void,
    context: UnsafeRawPointer, to cpus: CPUSet
  ) {
    let others = cpus.intersection(.online).subtracting(CPU.current)
    let completion = Completion(count: others.count, waiter: .current)
    withUnsafePointer(to: completion) { completion in
      withUnsafeTemporaryAllocation(of: Request.self, capacity: others.count) { requests in
        var index = 0
        for cpu in others {
          let request = requests.baseAddress.map { $0 + index }
          request?.initialize(to: Request(function, context: context, completion: completion))
          if let request, mailboxes.pointer(for: cpu).pointee.post(request) {
            Processor.send(.urgent, to: cpu.index)
          }
          index += 1
        }
        if cpus.contains(.current) {
          Processor.withInterruptsDisabled { function(context, CPU.current.index) }
        }
        while !completion.pointee.isDone { SpinWait.turn() }
      }
    }
  }

  @inline(__always)
  fileprivate static func answerAll() {
    if !mailboxes.isInitialized { return }
    Processor.withInterruptsDisabled {
      Processor.withInterruptMarked { mailboxes.current.pointee.doAll(as: .current) { _ in } }
    }
  }
}

/// The other end of `UrgentCall.run`.
@c(apus_urgent_call)
public func urgentCall(
  _ function: @escaping @convention(c) (UnsafeRawPointer, Int) -> Void,
  _ context: UnsafeRawPointer, _ cpus: UInt64
) {
  Processor.withPreemptionDisabled {
    UrgentCall.send(function, context: context, to: CPUSet(bits: cpus))
  }
}

/// Does what others ask of this CPU by `UrgentCall`: in the interrupt that they send, and at every
/// turn of a spin with interrupts off.
@c(apus_answer_urgent_calls)
public func answerUrgentCalls() { UrgentCall.answerAll() }
