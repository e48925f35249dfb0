import CMachine

/// A stack that is not in use: what a thread is, to the machine, while it does not run.
///
/// The change of stacks is a call, so only what calls preserve is kept, and the control words of floating
/// point. The vector registers are dead at a call; a thread that is left elsewhere, in an interrupt, has
/// them saved by `Processor.preservingVectorState`.
public struct SuspendedStack {
  @usableFromInline var pointer: UInt64

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
  }

  /// Leaves the stack in use, to be known by `left`, and goes on with this one. Returns when `left` is
  /// gone on with, perhaps on another CPU. Interrupts are off. 24 instructions on x86-64.
  @inline(__always)
  public func resume(leaving left: UnsafeMutablePointer<SuspendedStack>) {
    left.withMemoryRebound(to: UInt64.self, capacity: 1) { apus_switch_stack($0, pointer) }
  }

  /// The same where the stack in use is that of a thread which was interrupted.
  @inline(__always)
  public func resume(preempting left: UnsafeMutablePointer<SuspendedStack>) {
    left.withMemoryRebound(to: UInt64.self, capacity: 1) { apus_preempt_stack($0, pointer) }
  }
}
