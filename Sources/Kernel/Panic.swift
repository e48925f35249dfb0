#if hasFeature(Embedded)
import CMachine
import Console
import Interrupts
import Machine
import PerCPU
import PhysicalMemory
import Scheduler
import Tracing
import VirtualMemory

/// What each CPU keeps for the moment when the machine is brought to a halt.
struct StopState: ~Copyable {
  static let all = CPULocal<StopState>()

  /// Address of the CPU's `ProcessorBlock`.
  let block = Atomic<UInt64>(0)
  /// Address of the trap frame at which the CPU was stopped; 0 while it runs.
  let frame = Atomic<UInt64>(0)

  static func byteCount(for count: Int) -> Int { CPULocal<StopState>.byteCount(for: count) }

  static func initialize(in storage: UnsafeMutableRawPointer, count: Int) {
    all.initialize(in: storage, count: count) { _ in StopState() }
  }
}

/// The end of the machine after something that must not happen: one CPU stops the others, says
/// what it knows of all, and powers off. Reports use neither locks nor heap.
enum Panic {
  /// The CPU that reports, plus one; 0 while there is none.
  private static let reporter = Atomic<UInt32>(0)

  static var isUnderWay: Bool { reporter.load(ordering: .acquiring) != 0 }

  /// Whether the calling CPU is the one that reports.
  static var isReportedHere: Bool {
    reporter.load(ordering: .acquiring) == UInt32(CPU.current.index) + 1
  }

  /// Reports where all CPUs are because somebody outside of the machine asks by an NMI: `apus run`
  /// does so with a program that takes too long. Registers would say little.
  static func reportStop(_ frame: UnsafeMutablePointer<apus_trap_frame>) -> Never {
    begin(at: frame)
    let index = CPU.current.index
    write("stopped from outside by a non-maskable interrupt; CPU \(index) was at")
    writeThread()
    Backtrace.write(from: TrapFrame(frame))
    end()
  }

  /// Reports a trap that nobody handles.
  static func report(_ trapped: UnsafeMutablePointer<apus_trap_frame>) -> Never {
    begin(at: trapped)
    let frame = TrapFrame(trapped)
    write(summary(of: frame))
    writeThread()
    if frame.isRuntimeCheck {
      write(
        "  a check of Swift's run-time failed: a precondition, an overflow, an index, a nil or a cast"
      )
    }
    writeRegisters(frame)
    Backtrace.write(from: frame)
    end()
  }

  /// Reports a page fault that could not be resolved, and what to do about it.
  static func report(
    _ trapped: UnsafeMutablePointer<apus_trap_frame>, _ failure: PageFaults.Result
  ) -> Never {
    begin(at: trapped)
    let frame = TrapFrame(trapped)
    let area = AddressSpace.shared.meaning(of: frame.accessAddress)
    write(summary(of: frame, failure, area?.kind))
    writeThread()
    if let area { write(AreaLine(area.kind, area.permissions).text) }
    switch failure {
    case .outOfMemory, .noMemoryForStack:
      writeMemory()
      Backtrace.write(from: frame)
      writeOthers()
      writeRecords()
      ConsoleDevice.recordUnlocked("out-of-memory")
      PowerControl.powerOff(code: PowerOffCode.outOfMemory)
    case .inInterrupt:
      write("  memory that an interrupt handler uses must be there before: populate it")
    case .withLockHeld:
      write("  memory that is used with a spin lock held must be there before: touch it first")
    default: break
    }
    writeRegisters(frame)
    Backtrace.write(from: frame)
    end()
  }

  @inline(never)
  private static func writeMemory() {
    write(
      "  \(FrameAllocator.shared.freeFrameCount * 4) of \(FrameAllocator.shared.usableFrameCount * 4) KiB are free; give the machine more (apus run --memory)"
    )
  }

  /// Reports that CPUs do not answer what has to be answered with interrupts off, too. Where they are is
  /// in the report of all CPUs.
  static func silence(of cpus: CPUSet) -> Never {
    let caller = CPU.current.index
    begin(at: nil)
    for cpu in cpus {
      write(
        "panic on CPU \(caller): CPU \(cpu.index) has not answered an urgent call for \(UrgentCall.patience / 1_000_000_000) s: it runs with interrupts off and does not wait by SpinWait"
      )
    }
    end()
  }

  /// The end of a report: the other CPUs, and no power.
  private static func end() -> Never {
    writeOthers()
    writeRecords()
    ConsoleDevice.recordUnlocked("panic")
    PowerControl.powerOff(code: PowerOffCode.panic)
  }

  /// Reports that memory ran out where nothing can be done about it.
  static func outOfMemory(_ byteCount: UInt64, free: UInt64, total: UInt64) -> Never {
    begin(at: nil)
    write(
      "out of memory: an allocation of \(byteCount) bytes failed with \(free / 1024) of \(total / 1024) KiB free; give the machine more (apus run --memory)"
    )
    writeRecords()
    ConsoleDevice.recordUnlocked("out-of-memory")
    PowerControl.powerOff(code: PowerOffCode.outOfMemory)
  }

  /// Tells what `apus run --stats` and `--trace` show, at the program's end. The other CPUs are stopped before, so
  /// nothing changes meanwhile. By who keeps all from writing.
  static func recordAtExit() {
    guard Statistics.areWanted || Trace.isRecording else { return }
    begin(at: nil)
    writeRecords()
  }

  private static func writeRecords() {
    Statistics.record()
    TraceRecords.write()
  }

  /// Stops the other CPUs; only one CPU comes out of this. Another one that comes here stays at `frame`,
  /// if it has been trapped, and is stopped like the rest otherwise.
  @inline(never)
  private static func begin(at frame: UnsafeMutablePointer<apus_trap_frame>?) {
    Processor.disableInterrupts()
    let own = UInt32(CPU.current.index) + 1
    let result = reporter.compareExchange(
      expected: 0, desired: own, ordering: .acquiringAndReleasing)
    if !result.exchanged {
      // A second trap on the reporting CPU: the report itself failed.
      if result.original == own {
        write("a trap inside of the panic report; giving up")
        ConsoleDevice.recordUnlocked("panic")
        PowerControl.powerOff(code: PowerOffCode.panic)
      }
      if let frame { stop(frame) }
      Processor.halt()
    }
    let others = CPUSet.online.subtracting(.current)
    for cpu in others { Processor.sendStop(to: cpu.index) }
    // A CPU that does not even take an NMI is reported as such, not waited for.
    let end = MonotonicClock.nanoseconds + 200_000_000
    while MonotonicClock.nanoseconds < end {
      let allStopped = others.allSatisfy {
        StopState.all.pointer(for: $0).pointee.frame.load(ordering: .acquiring) != 0
      }
      if allStopped { break }
      Processor.pause()
    }
  }

  /// Keeps the calling CPU where it is, for the report.
  static func stop(_ frame: UnsafeMutablePointer<apus_trap_frame>) -> Never {
    StopState.all.current.pointee.frame.store(
      UInt64(UInt(bitPattern: frame)), ordering: .releasing)
    Processor.halt()
  }

  private static func summary(
    of frame: TrapFrame, _ failure: PageFaults.Result? = nil, _ area: AreaKind? = nil
  ) -> LogMessage {
    var line: LogMessage = "panic on CPU \(CPU.current.index): \(frame.name)"
    guard let access = frame.memoryAccess else { return line }
    let isOverflow =
      failure == .stackOverflow || area?.backing == .guard
      || KernelAddressSpace.isStackRegion(access.address)
    // A double fault leaves no word of what was accessed, unless a page fault was on the way.
    if frame.isDoubleFault && !isOverflow { return line }
    let verb: StaticString =
      switch access.kind {
      case .read: "read of"
      case .write: "write to"
      case .execute: "execution at"
      }
    line.append(line: ", \(verb) \(hex: access.address): " as LogMessage)
    line.append(cause(of: access, failure, isOverflow: isOverflow))
    return line
  }

  private static func cause(
    of access: TrapFrame.MemoryAccess, _ failure: PageFaults.Result?, isOverflow: Bool
  ) -> StaticString {
    switch failure {
    case .outOfMemory: "out of memory"
    case .noMemoryForStack: "out of memory for the stack"
    case .inInterrupt: "in an interrupt handler, where no page may be missing"
    case .withLockHeld: "with a spin lock held, where no page may be missing"
    default:
      if isOverflow {
        "stack overflow"
      } else if access.address < 4096 {
        "null pointer"
      } else if access.isProtectionViolation || failure == .forbidden {
        "not allowed there"
      } else {
        "nothing is mapped there"
      }
    }
  }

  /// Which thread it was, if it was one.
  @inline(never)
  private static func writeThread() {
    if !Processor.isInInterrupt { write(Thread.snapshotOfCurrent) }
  }

  @inline(never)
  private static func write(_ thread: ThreadSnapshot?) {
    guard let thread else { return }
    var line: LogMessage = "  in thread \(thread.number)"
    var isNamed = false
    thread.forEachByteOfName { byte in
      if !isNamed { line.append(", ") }
      isNamed = true
      line.append(byte: byte)
    }
    write(line)
  }

  private static func writeRegisters(_ frame: TrapFrame) {
    var line = RegisterLine()
    frame.forEachRegister { name, value in line.append(name, value) }
    line.end()
  }

  /// Registers, four on a line. Its steps are functions of their own, because the compiler would
  /// unroll them and need more stack than a trap has.
  private struct RegisterLine {
    private var text: LogMessage = " "
    private var count = 0

    @inline(never)
    mutating func append(_ name: StaticString, _ value: UInt64) {
      if count == 4 { end() }
      text.append(byte: 0x20)
      text.append(name)
      text.append(byte: 0x20)
      text.append(hex: value)
      count += 1
    }

    @inline(never)
    mutating func end() {
      Panic.write(text)
      text = " "
      count = 0
    }
  }

  private static func writeOthers() {
    for cpu in CPUSet.online.subtracting(.current) {
      let address = StopState.all.pointer(for: cpu).pointee.frame.load(ordering: .acquiring)
      guard let frame = UnsafeMutablePointer<apus_trap_frame>(bitPattern: UInt(address)) else {
        write("CPU \(cpu.index) did not stop")
        continue
      }
      write("CPU \(cpu.index) was at")
      write(Thread.snapshotWithoutLocks(of: cpu))
      Backtrace.write(from: TrapFrame(frame))
    }
  }

  @inline(never)
  fileprivate static func write(_ line: LogMessage) { ConsoleDevice.writeLogUnlocked(line: line) }
}

/// The end of a wait for CPUs that do not answer, on the stack for reports.
@c(apus_fail_silence)
public func reportSilence(_ cpus: UInt64) -> Never { Panic.silence(of: CPUSet(bits: cpus)) }

/// Every exception and NMI arrives here, on the CPU where it happened.
@c(apus_handle_exception)
public func handleException(_ frame: UnsafeMutablePointer<apus_trap_frame>) {
  let trap = TrapFrame(frame)
  guard trap.isStopRequest else { Panic.report(frame) }
  // A report that is being written needs no other.
  if Panic.isReportedHere { return }
  if Panic.isUnderWay { Panic.stop(frame) }
  Panic.reportStop(frame)
}
#endif
