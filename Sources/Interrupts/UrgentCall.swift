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
  /// Where the calls of all CPUs are, one after the other.
  private static let calls = BootConstant<UInt64>(0)
  private static let cpuCount = BootConstant<Int>(0)

  /// How long a CPU may take to answer before the machine is stopped, in nanoseconds of the guest's time.
  public static let patience: UInt64 = 10_000_000_000

  /// Memory that calls need for `count` CPUs.
  public static func byteCount(for count: Int) -> Int {
    CPULocal<Mailbox>.byteCount(for: count) + count * Call.stride(count)
  }

  /// Makes calls possible; `storage` is never freed. On the boot CPU.
  public static func initialize(in storage: UnsafeMutableRawPointer, count: Int) {
    mailboxes.initialize(in: storage, count: count) { _ in Mailbox() }
    let first = storage + CPULocal<Mailbox>.byteCount(for: count)
    for index in 0..<count {
      (first + index * Call.stride(count)).bindMemory(to: Completion.self, capacity: 1)
        .initialize(to: Completion(count: 0, waiter: CPU(index: index)))
    }
    calls.set(UInt64(UInt(bitPattern: first)))
    cpuCount.set(count)
  }

  /// The call that a CPU makes, at most one at a time. Not on its thread's stack: that may be memory
  /// which another CPU's processor does not find without a fault.
  private struct Call {
    private let place: UnsafeMutableRawPointer

    static func stride(_ count: Int) -> Int {
      (MemoryLayout<Completion>.stride + count * MemoryLayout<Request>.stride + 127) & ~127
    }

    /// That of the calling CPU. With preemption off.
    static var current: Call? {
      guard let first = UnsafeMutableRawPointer(bitPattern: UInt(calls.value)) else { return nil }
      return Call(place: first + CPU.current.index * stride(cpuCount.value))
    }

    var completion: UnsafeMutablePointer<Completion> {
      place.assumingMemoryBound(to: Completion.self)
    }

    /// Memory for a request to each CPU.
    var requests: UnsafeMutablePointer<Request> {
      (place + MemoryLayout<Completion>.stride).assumingMemoryBound(to: Request.self)
    }
  }

  /// Runs `function(context, cpu)` on every CPU of `cpus` that is online, this one included if it is in
  /// the set, with interrupts off, and waits until all are done. Meanwhile what others ask of this CPU
  /// is done. Not in interrupts; locks may be held. `function` takes no lock, waits for nobody, and ends
  /// after few instructions; neither it nor anything in between makes such a call. `context` is memory
  /// of the kernel, which all CPUs reach without a fault: nothing on a stack. If a CPU does not answer
  /// within `patience`, the machine is stopped with a report.
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
    guard let call = Call.current else { fatalError("an urgent call is made before there are any") }
    precondition(call.completion.pointee.isDone, "an urgent call is made within another one")
    call.completion.pointee = Completion(count: others.count, waiter: .current)
    for cpu in others {
      let request = call.requests + cpu.index
      request.initialize(to: Request(function, context: context, completion: call.completion))
      if mailboxes.pointer(for: cpu).pointee.post(request) {
        Processor.send(.urgent, to: cpu.index)
      }
    }
    if cpus.contains(.current) {
      Processor.withInterruptsDisabled {
        callUrgent(function, context: context, cpu: CPU.current.index)
      }
    }
    wait(for: call, others)
  }

  @inline(__always)
  private static func wait(for call: Call, _ others: CPUSet) {
    var watch = AnswerWatch()
    while !call.completion.pointee.isDone {
      SpinWait.turn()
      if watch.isOver() { reportSilence(of: others) }
    }
  }

  /// Stops the machine. The CPUs that have something in their mailboxes have not even begun; if there is
  /// none, one of the others does not come to an end.
  @inline(never)
  private static func reportSilence(of cpus: CPUSet) -> Never {
    var silent = CPUSet()
    for cpu in cpus where !mailboxes.pointer(for: cpu).pointee.isEmpty { silent.insert(cpu) }
    apus_report_silence((silent.isEmpty ? cpus : silent).rawValue)
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

/// What the calling CPU does of its own call: under a name for isrcheck, which then knows what is called
/// here.
@c(apus_call_urgent)
@inline(never)
public func callUrgent(
  _ function: @escaping @convention(c) (UnsafeRawPointer, Int) -> Void, context: UnsafeRawPointer,
  cpu: Int
) { function(context, cpu) }

/// Does what others ask of this CPU by `UrgentCall`: in the interrupt that they send, and at every
/// turn of a spin with interrupts off.
@c(apus_answer_urgent_calls)
public func answerUrgentCalls() { UrgentCall.answerAll() }

#if !hasFeature(Embedded)
/// On the host there is nothing to stop: the test ends.
@c(apus_report_silence)
public func reportSilence(_ cpus: UInt64) -> Never {
  fatalError("CPUs do not answer: \(cpus) as a set")
}
#endif
