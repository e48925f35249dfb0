#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// What the CPU was doing when an exception or interrupt came: its registers, as the stub in
/// `traps.S` saved them.
public struct TrapFrame {
  let frame: UnsafeMutablePointer<apus_trap_frame>

  /// Wraps what `apus_handle_exception` was given.
  public init(_ frame: UnsafeMutablePointer<apus_trap_frame>) { self.frame = frame }

  /// Where the CPU was.
  public var instructionPointer: UInt { UInt(frame.pointee.rip) }
  /// The start of the chain of frames.
  public var framePointer: UInt { UInt(frame.pointee.rbp) }
  /// The top of the stack.
  public var stackPointer: UInt { UInt(frame.pointee.rsp) }
  /// What the CPU says of the exception, or 0.
  public var errorCode: UInt64 { frame.pointee.error_code }
  /// The exception's number.
  public var vector: UInt64 { frame.pointee.vector }

  /// A request of another CPU to stop, see `Processor.stopOthers`.
  public var isStopRequest: Bool { vector == 2 }

  /// A fault in the handling of a fault: most often the stack is gone.
  public var isDoubleFault: Bool { vector == 8 }

  /// The exception's name (volume 3, table 6-1).
  public var name: StaticString {
    switch vector {
    case 0: "division error"
    case 1: "debug exception"
    case 2: "non-maskable interrupt"
    case 3: "breakpoint"
    case 4: "overflow"
    case 5: "bound range exceeded"
    case 6: "invalid opcode"
    case 7: "no floating-point device"
    case 8: "double fault"
    case 10: "invalid TSS"
    case 11: "segment not present"
    case 12: "stack-segment fault"
    case 13: "general protection fault"
    case 14: "page fault"
    case 16: "floating-point error"
    case 17: "alignment check"
    case 18: "machine check"
    case 19: "SIMD floating-point error"
    case 20: "virtualisation exception"
    case 21: "control protection exception"
    case 30: "security exception"
    default: "unexpected exception"
    }
  }

  /// The memory access that a page fault, or a double fault on the way to one, stumbled over.
  public struct MemoryAccess: Sendable {
    /// What was tried.
    public enum Kind: Sendable { case read, write, execute }
    /// Where it was tried.
    public let address: UInt
    /// What was tried there.
    public let kind: Kind
    /// The page is there, but not for this kind of access.
    public let isProtectionViolation: Bool
  }

  /// Set for a page fault (volume 3, 4.7).
  public var memoryAccess: MemoryAccess? {
    guard vector == 14 || vector == 8 else { return nil }
    return MemoryAccess(
      address: UInt(frame.pointee.address),
      kind: vector == 14 ? accessKind : .read,
      isProtectionViolation: vector == 14 && errorCode & 1 != 0)
  }

  /// What a page fault's access was.
  @inline(__always)
  public var accessKind: MemoryAccess.Kind {
    errorCode & 16 != 0 ? .execute : errorCode & 2 != 0 ? .write : .read
  }

  /// What a page fault's access was to.
  @inline(__always)
  public var accessAddress: UInt64 { frame.pointee.address }

  /// Whether interrupts were on.
  @inline(__always)
  public var interruptsWereEnabled: Bool { frame.pointee.rflags & 0x200 != 0 }

  /// Makes of the frame of a page fault, which came when the stack of the code that it interrupted was
  /// touched to handle its first one, the frame of that one.
  ///
  /// The first one's stub (`apus_page_fault` in `traps.S`) had saved three registers, 1 KiB above, and the
  /// address in a fourth; all others are as they were.
  public func becomeOuterFault() {
    let end = UInt(bitPattern: frame + 1)
    guard
      let outer = UnsafePointer<UInt64>(
        bitPattern: end + UInt(APUS_NESTED_FAULT_OFFSET) - 9 * 8)
    else { return }
    frame.pointee.address = frame.pointee.rdx
    frame.pointee.rdx = outer[0]
    frame.pointee.rcx = outer[1]
    frame.pointee.rax = outer[2]
    frame.pointee.error_code = outer[3]
    frame.pointee.rip = outer[4]
    frame.pointee.cs = outer[5]
    frame.pointee.rflags = outer[6]
    frame.pointee.rsp = outer[7]
    frame.pointee.ss = outer[8]
  }

  /// The Swift runtime ends a program by this instruction when a check fails: a precondition,
  /// an overflow, an index out of bounds, a nil that was unwrapped.
  public var isRuntimeCheck: Bool { vector == 6 }

  /// Calls `body` with the name and value of each register, for a report.
  public func forEachRegister(_ body: (StaticString, UInt64) -> Void) {
    let f = frame.pointee
    body("rax", f.rax)
    body("rbx", f.rbx)
    body("rcx", f.rcx)
    body("rdx", f.rdx)
    body("rsi", f.rsi)
    body("rdi", f.rdi)
    body("rbp", f.rbp)
    body("rsp", f.rsp)
    body("r8 ", f.r8)
    body("r9 ", f.r9)
    body("r10", f.r10)
    body("r11", f.r11)
    body("r12", f.r12)
    body("r13", f.r13)
    body("r14", f.r14)
    body("r15", f.r15)
    body("rip", f.rip)
    body("flags", f.rflags)
    body("cr2", f.address)
    body("cr3", apus_read_cr3())
    body("error", f.error_code)
  }
}

/// Where the stubs of all interrupts end up: acknowledges them and hands them to the kernel. Returns whether
/// the thread that was interrupted is to give way.
@c(apus_interrupt)
public func interrupt(_ frame: UnsafeMutablePointer<apus_trap_frame>) -> Bool {
  let vector = UInt8(truncatingIfNeeded: frame.pointee.vector)
  if vector >= Processor.firstDeviceVector { return interruptOfDevice(vector) }
  // One that did not come by way of the local APIC must not be acknowledged: that would acknowledge another.
  if LocalAPIC.isInService(vector) { LocalAPIC.endInterrupt() }
  Processor.withInterruptMarked { apus_handle_interrupt(UInt64(vector)) }
  return Processor.preemptionRequest != 0 && apus_preemption_is_due()
}

/// The same for devices. Acknowledged when the handler is through: before, a line that counts by its level
/// would still be as it was, and interrupt again.
@inline(never)
private func interruptOfDevice(_ vector: UInt8) -> Bool {
  // A spurious interrupt must not be acknowledged (volume 3, 11.9).
  if vector == InterruptVector.spurious.rawValue { return false }
  Processor.withInterruptMarked { apus_handle_interrupt(UInt64(vector)) }
  if LocalAPIC.isInService(vector) { LocalAPIC.endInterrupt() }
  return Processor.preemptionRequest != 0 && apus_preemption_is_due()
}
#endif
