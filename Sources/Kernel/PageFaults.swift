#if hasFeature(Embedded)
import CMachine
import Machine
import VirtualMemory

/// From the trap to the address space and back.
enum PageFaults {
  /// Tries to do what the access needs. Interrupts are as they are.
  @inline(__always)
  static func handle(_ trap: TrapFrame) -> PageFault.Outcome {
    let access: PageFault.Access =
      switch trap.accessKind {
      case .read: .read
      case .write: .write
      case .execute: .execute
      }
    return AddressSpace.shared.handle(PageFault(at: trap.accessAddress, access))
  }
}

/// A page fault, on the stack of the code that was interrupted, with interrupts off before and after; they
/// are on meanwhile if they were. Returns 0 when the access may be tried again.
@c(apus_handle_page_fault)
public func handlePageFault(_ frame: UnsafeMutablePointer<apus_trap_frame>) -> UInt64 {
  let trap = TrapFrame(frame)
  if trap.interruptsWereEnabled { Processor.enableInterrupts() }
  let outcome = PageFaults.handle(trap)
  Processor.disableInterrupts()
  return outcome == .resolved ? 0 : 1
}

/// A page fault in the attempt to go on at the interrupted stack, of which a page is missing. Interrupts
/// are off. What is to be reported is the fault that came first.
@c(apus_handle_nested_page_fault)
public func handleNestedPageFault(_ frame: UnsafeMutablePointer<apus_trap_frame>) -> UInt64 {
  let trap = TrapFrame(frame)
  if PageFaults.handle(trap) == .resolved { return 0 }
  trap.becomeOuterFault()
  return 1
}
#endif
