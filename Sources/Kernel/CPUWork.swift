import Console
import Heap
import Machine
import PerCPU

/// Work that runs on chosen CPUs in ordinary context: interrupts on, may allocate, may take time.
///
/// A CPU without work halts. Work is put in its mailbox and a wake-up interrupt sent if the
/// mailbox was empty. Modelled in `Models/CPUWork.pml`.
public enum CPUWork {
  static let mailboxes = CPULocal<Mailbox>()

  /// Memory that work needs for `count` CPUs.
  public static func byteCount(for count: Int) -> Int {
    CPULocal<Mailbox>.byteCount(for: count)
  }

  /// Makes work possible; `storage` is never freed. On the boot CPU.
  public static func initialize(in storage: UnsafeMutableRawPointer, count: Int) {
    mailboxes.initialize(in: storage, count: count) { _ in Mailbox() }
  }

  /// Runs `body` on every CPU of `cpus` at the same time and waits until all are done.
  ///
  /// The caller's own CPU, if it is in the set, does its part at once; while it waits for the
  /// others it does whatever else it is asked. With interrupts on only.
  public static func run(on cpus: CPUSet, _ body: @Sendable (CPU) -> Void) {
    precondition(Processor.interruptsAreEnabled, "work is handed out with interrupts off")
    let cpus = cpus.intersection(.online)
    let others = cpus.subtracting(.current)
    withoutActuallyEscaping(body) { body in
      var body = body
      withUnsafePointer(to: &body) { pointer in
        let completion = UnsafeMutablePointer<Completion>.allocate(capacity: 1)
        completion.initialize(to: Completion(count: others.count, waiter: .current))
        let requests = UnsafeMutablePointer<Request>.allocate(capacity: Swift.max(others.count, 1))
        var index = 0
        for cpu in others {
          let request = requests + index
          request.initialize(
            to: Request(
              { context, cpu in
                context.assumingMemoryBound(to: (@Sendable (CPU) -> Void).self)
                  .pointee(CPU(index: cpu))
                // Before the work counts as done: the machine may end then.
                ConsoleDevice.flushOutput()
              }, context: UnsafeRawPointer(pointer), completion: completion))
          if mailboxes.pointer(for: cpu).pointee.post(request) { wake(cpu) }
          index += 1
        }
        if cpus.contains(.current) { pointer.pointee(.current) }
        wait { completion.pointee.isDone }
        requests.deallocate()
        completion.deinitialize(count: 1)
        completion.deallocate()
      }
    }
  }

  /// Ends the halt of a CPU, if it is in one.
  static func wake(_ cpu: CPU) { Processor.send(.wake, to: cpu.index) }

  /// Does the work that this CPU is asked to do until `isDone`, and halts in between.
  ///
  /// Whatever makes `isDone` true must be followed by an interrupt on this CPU.
  public static func wait(until isDone: () -> Bool) {
    // A mailbox may be looked at by any CPU; only this one's thread waits for work.
    let own = mailboxes.pointer(for: .current)
    precondition(Processor.interruptsAreEnabled, "waiting with interrupts off would never end")
    while true {
      // An incomplete line goes out before others' work prints, and before a halt.
      ConsoleDevice.flushOutput()
      own.pointee.doAll(as: .current, wake: wake)
      if isDone() { return }
      // Somebody may be short of memory while this CPU is about to sleep on some.
      Heap.shared.answerReclaim()
      // Checked again with interrupts off: a wake-up between the check and the halt is then
      // pending, and ends the halt at once.
      Processor.disableInterrupts()
      if own.pointee.isEmpty && !isDone() { Processor.waitForInterrupt() }
      Processor.enableInterrupts()
    }
  }

  /// The life of a secondary CPU.
  public static func serve() -> Never {
    while true { wait { false } }
  }
}
