import Machine
import PerCPU
import Scheduler

/// Work that runs on chosen CPUs in ordinary context: interrupts on, may allocate, may take time.
public enum CPUWork {
  /// Bytes of the stack of each piece of work. Set once by the boot CPU.
  private static let stackSize = BootConstant<Int>(0)

  /// Says how large a stack work has. On the boot CPU, before there is any.
  public static func setStackSize(_ byteCount: Int) {
    stackSize.set(byteCount)
    Scheduler.keepStacks(ofSize: byteCount)
  }

  /// Runs `body` on every CPU of `cpus` that is online, at the same time, and waits until all are done.
  ///
  /// The calling thread does the part of the CPU on which it is, if that is in the set, and stays there
  /// meanwhile; for each other one there is a thread. Not in interrupts.
  public static func run(on cpus: CPUSet, _ body: @Sendable (CPU) -> Void) {
    precondition(Processor.interruptsAreEnabled, "work is handed out with interrupts off")
    let caller = Thread.current
    let before = caller.affinity
    let own = Processor.withPreemptionDisabled {
      let own = CPU.current
      if cpus.contains(own) { caller.stay(on: own) }
      return own
    }
    let others = cpus.intersection(.online).subtracting(own)
    withoutActuallyEscaping(body) { body in
      withUnsafeTemporaryAllocation(of: Thread.self, capacity: others.count) { threads in
        var count = 0
        for cpu in others {
          threads.initializeElement(at: count, to: start(on: cpu) { body(cpu) })
          count += 1
        }
        if cpus.contains(own) { body(own) }
        for index in 0..<count { threads[index].join() }
      }
    }
    if cpus.contains(own) { caller.restoreAffinity(before) }
  }

  private static func start(on cpu: CPU, _ body: @escaping @Sendable () -> Void) -> Thread {
    do throws(ThreadError) {
      return try Thread.spawn(
        name: "work", affinity: CPUSet(cpu),
        stackSize: Swift.max(stackSize.value, Thread.defaultStackSize), body)
    } catch {
      // The CPU is online and stays so, and the stack is large enough.
      fatalError("no thread for work on a CPU")
    }
  }
}
