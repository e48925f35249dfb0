import CMachine

/// A stack that is not in use: what a thread is, to the machine, while it does not run.
///
/// The change of stacks is a call, so only what calls preserve is kept, and the control words of floating
/// point. The vector registers are dead at a call; a thread that is left elsewhere, in an interrupt, has
/// them saved by `Processor.preservingVectorState`.
public struct SuspendedStack {
  // The first field: by the address of this the switch knows where to put it.
  @usableFromInline var pointer: UInt64
  #if !hasFeature(Embedded)
  /// By what ThreadSanitizer knows the stack, under which tests run. An ordinary field, written before the stack is
  /// left and read before it is gone on with: so it also sees a stack that is handed over too early.
  @usableFromInline var fiber: UnsafeMutableRawPointer?
  #endif

  /// No stack: that of a thread that has not been left yet.
  public init() { pointer = 0 }

  /// A stack below `top`, a multiple of 16, on which `function(argument)` starts when it is resumed,
  /// with interrupts as they are then. `function` never returns. Needs 80 bytes.
  public init(
    top: UnsafeMutableRawPointer,
    _ function: @escaping @convention(c) (_ argument: UnsafeMutableRawPointer) -> Void,
    argument: UnsafeMutableRawPointer
  ) {
    pointer = apus_prepare_stack(UInt64(UInt(bitPattern: top)), function, argument)
    #if !hasFeature(Embedded)
    fiber = apus_make_fiber()
    #endif
  }

  /// Says that nobody goes on with this stack any more, before its memory is given back. Nothing at all in the image.
  @inline(__always)
  public func discard() {
    #if !hasFeature(Embedded)
    apus_free_fiber(fiber)
    #endif
  }

  /// Leaves the stack in use, to be known by `left`, and goes on with this one. Returns when `left` is
  /// gone on with, perhaps on another CPU. Interrupts are off. 24 instructions on x86-64.
  @inline(__always)
  public func resume(leaving left: UnsafeMutablePointer<SuspendedStack>) {
    #if hasFeature(Embedded)
    left.withMemoryRebound(to: UInt64.self, capacity: 1) { apus_switch_stack($0, pointer) }
    #else
    switchFiber(leaving: left)
    #endif
  }

  /// The same where the stack in use is that of a thread which was interrupted.
  @inline(__always)
  public func resume(preempting left: UnsafeMutablePointer<SuspendedStack>) {
    #if hasFeature(Embedded)
    left.withMemoryRebound(to: UInt64.self, capacity: 1) { apus_preempt_stack($0, pointer) }
    #else
    switchFiber(leaving: left)
    #endif
  }

  #if !hasFeature(Embedded)
  private func switchFiber(leaving left: UnsafeMutablePointer<SuspendedStack>) {
    left.pointee.fiber = apus_current_fiber()
    left.withMemoryRebound(to: UInt64.self, capacity: 1) { apus_switch_fiber($0, pointer, fiber) }
  }
  #endif
}
