import Boot
import Machine
import PerCPU
import PhysicalMemory

/// Work of a CPU in another address space than the one that it uses.
extension AddressSpace {
  private static var stackFrameCount: Int { 4 }
  fileprivate static var stackByteCount: Int {
    stackFrameCount * Int(FrameAllocator.frameSize)
  }

  /// Runs `body` on the calling CPU with these page tables, and goes back to those that it used before.
  ///
  /// Threads' stacks are in the application's address space. So `body` runs on a stack of the kernel's, of
  /// 16 KiB, and with interrupts off: handlers may need what is not there. It finds what is mapped here, whose
  /// pages come with the first access as ever, and all memory of the kernel's: code, globals, and blocks of the
  /// heap of up to 1 MiB; nothing that lies on a thread's stack. It must be short, and neither wait for other CPUs
  /// nor print. Several CPUs may do this at once.
  ///
  /// It takes memory for the stack, and when a CPU does it for the first time for a root, which stays until
  /// `destroy`. Not in interrupts, not with a lock held, not in `body`.
  public func run(_ body: @escaping @Sendable () -> Void) throws(AddressSpaceError) {
    do throws(FrameAllocatorError) {
      let stack = try frames.pointee.allocate(count: Self.stackFrameCount)
      defer { frames.pointee.free(stack, count: Self.stackFrameCount) }
      Processor.disablePreemption()
      defer { Processor.enablePreemption() }
      try ownTables.makeRoot()
      withUnsafePointer(to: self) { Excursion.run(body, in: $0, on: stack) }
    } catch {
      throw .outOfMemory
    }
  }

  /// Makes the calling CPU use an address space, by its address, of which it has a root; or none, for 0.
  fileprivate func leave(for former: UInt64) {
    if let former = UnsafePointer<AddressSpace>(bitPattern: UInt(former)) {
      // It has a root, so this does not fail.
      try? former.pointee.activate()
    } else {
      deactivate()
    }
  }
}

/// What a CPU does in another address space. It lies at the bottom of the stack that is used there, which is
/// found in both.
private struct Excursion {
  let space: UnsafePointer<AddressSpace>
  /// The address of the address space that the CPU used before.
  let former: UInt64
  let body: () -> Void
  /// The stack that was left, and the one that is left in the end and not used any more.
  var home = SuspendedStack()
  var gone = SuspendedStack()

  /// Returns when it is over. With preemption off.
  static func run(
    _ body: @escaping () -> Void, in space: UnsafePointer<AddressSpace>, on stack: PhysicalAddress
  ) {
    let bottom = PhysicalMemoryWindow.pointer(to: stack.rawValue).unsafelyUnwrapped
    let excursion = bottom.bindMemory(to: Excursion.self, capacity: 1)
    excursion.initialize(
      to: Excursion(space: space, former: AddressSpace.currentAddress, body: body))
    Processor.withInterruptsDisabled {
      let other = SuspendedStack(
        top: bottom + AddressSpace.stackByteCount, travel, argument: bottom)
      withUnsafeMutablePointer(to: &excursion.pointee.home) { other.resume(leaving: $0) }
      other.discard()
    }
    excursion.deinitialize(count: 1)
  }

  /// The first function on the other stack.
  private static let travel: @convention(c) (UnsafeMutableRawPointer) -> Void = { argument in
    let excursion = argument.assumingMemoryBound(to: Excursion.self)
    let space = excursion.pointee.space
    try? space.pointee.activate()
    excursion.pointee.body()
    space.pointee.leave(for: excursion.pointee.former)
    let home = excursion.pointee.home
    withUnsafeMutablePointer(to: &excursion.pointee.gone) { home.resume(leaving: $0) }
  }
}
