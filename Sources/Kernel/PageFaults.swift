#if hasFeature(Embedded)
import CMachine
import Locking
import Machine
import Tracing
import VirtualMemory

/// From the trap to the address space and back.
enum PageFaults {
  /// What the stub is told: 0, or why the access cannot be tried again.
  enum Result: UInt64 {
    case resolved = 0
    case unmapped
    case forbidden
    case outOfMemory
    /// The stack on which the fault would be handled goes no further down.
    case stackOverflow
    /// The same because of a lack of memory.
    case noMemoryForStack
    /// Faults may not come there; in checked builds.
    case inInterrupt
    case withLockHeld
  }

  #if CHECKED
  /// Where no page may be missing: in interrupt handlers, and while a spin lock or the lock of a page table
  /// is held, whose holder must not wait for memory. Two faults may come there all the same. The next page
  /// of the stack in use may be missing, but not in handlers, which have a stack that is there. And a page
  /// that is there may be missing in a table of this CPU.
  private static func violation(_ trap: TrapFrame) -> Result? {
    let isInInterrupt = Processor.isInInterrupt
    guard isInInterrupt || HeldLockCount.current > 0 || Epoch.shared.isInside else { return nil }
    if AddressSpace.shared.translate(trap.accessAddress) != nil { return nil }
    if isInInterrupt { return .inInterrupt }
    let distance = trap.accessAddress &- UInt64(trap.stackPointer) &+ 4096
    return distance < KernelAddressSpace.stackGap ? nil : .withLockHeld
  }
  #endif

  /// Tries to do what the access needs. Interrupts are as they are.
  @inline(__always)
  static func handle(_ trap: TrapFrame, isNested: Bool = false) -> Result {
    #if CHECKED
    // A nested fault is about the stack in use.
    if !isNested, let violation = violation(trap) { return violation }
    // With a lock held the thread stays on its CPU.
    return HeldLockCount.current > 0
      ? HeldLockCount.withNone { resolve(trap, isNested) } : resolve(trap, isNested)
    #else
    return resolve(trap, isNested)
    #endif
  }

  /// The same with interrupts as they were in the interrupted code, off before and after.
  @inline(__always)
  static func handle(_ frame: UnsafeMutablePointer<apus_trap_frame>) -> UInt64 {
    let trap = TrapFrame(frame)
    if trap.interruptsWereEnabled { Processor.enableInterrupts() }
    let result = handle(trap)
    Processor.disableInterrupts()
    return result.rawValue
  }

  @inline(never)
  static func handleTraced(_ frame: UnsafeMutablePointer<apus_trap_frame>) -> UInt64 {
    let start = Trace.begin()
    let result = handle(frame)
    Trace.record(.fault, since: start, frame.pointee.address)
    return result
  }

  @inline(__always)
  private static func resolve(_ trap: TrapFrame, _ isNested: Bool) -> Result {
    let access: PageFault.Access =
      switch trap.accessKind {
      case .read: .read
      case .write: .write
      case .execute: .execute
      }
    let fault = PageFault(at: trap.accessAddress, access)
    // A page of a stack is never a copy.
    return switch AddressSpace.handleOnThisCPU(fault, withoutCopying: isNested) {
    case .resolved: .resolved
    case .outOfMemory: .outOfMemory
    case .forbidden: .forbidden
    case .unmapped, .busy, .needsCopy: .unmapped
    }
  }
}

/// A page fault, on the stack of the code that was interrupted, with interrupts off before and after; they
/// are on meanwhile if they were. Returns 0 when the access may be tried again.
@c(apus_handle_page_fault)
public func handlePageFault(_ frame: UnsafeMutablePointer<apus_trap_frame>) -> UInt64 {
  Trace.isRecording ? PageFaults.handleTraced(frame) : PageFaults.handle(frame)
}

/// A page fault in the attempt to go on at the interrupted stack, of which a page is missing. Interrupts
/// are off. What is to be reported is the fault that came first.
@c(apus_handle_nested_page_fault)
public func handleNestedPageFault(_ frame: UnsafeMutablePointer<apus_trap_frame>) -> UInt64 {
  let trap = TrapFrame(frame)
  let result = PageFaults.handle(trap, isNested: true)
  if result == .resolved { return 0 }
  trap.becomeOuterFault()
  return (result == .outOfMemory ? PageFaults.Result.noMemoryForStack : .stackOverflow).rawValue
}

/// The end of the program after a fault that cannot be resolved, on the stack for reports.
@c(apus_fail_page_fault)
public func failPageFault(
  _ frame: UnsafeMutablePointer<apus_trap_frame>, _ failure: UInt64
) -> Never {
  Panic.report(frame, PageFaults.Result(rawValue: failure) ?? .unmapped)
}
#endif
