import Machine
import PerCPU
import VirtualMemory

/// The memory of a thread's stack.
///
/// The record is not there but in the heap: other CPUs touch it with locks held and in interrupts, where no
/// page may be missing.
struct ThreadMemory {
  let start: UnsafeMutableRawPointer
  let byteCount: Int

  /// Memory for a stack of `byteCount` bytes, a multiple of 64.
  static func allocate(byteCount: Int) throws(ThreadError) -> ThreadMemory {
    if let start = Scheduler.stacks.withCurrent({ $0.take(byteCount) }) {
      return ThreadMemory(start: start, byteCount: byteCount)
    }
    do throws(AddressSpaceError) {
      let (start, byteCount) = try Stack.allocate(byteCount: byteCount).leak()
      return ThreadMemory(start: start, byteCount: byteCount)
    } catch {
      throw .outOfMemory
    }
  }

  /// Where the stack begins.
  var top: UnsafeMutableRawPointer { start + byteCount }

  /// Gives back the memory and the record of a thread that has ended. In threads and idle loops, with
  /// interrupts on.
  static func free(_ thread: UnsafeMutablePointer<ThreadRecord>) {
    ThreadList.remove(thread)
    let memory = thread.pointee.memory
    thread.pointee.header.stack.discard()
    thread.deinitialize(count: 1)
    thread.deallocate()
    guard let memory else { return }
    if Scheduler.stacks.withCurrent({ $0.put(memory.start, memory.byteCount) }) { return }
    Stack(bottom: memory.start, byteCount: memory.byteCount).free()
  }
}

/// Stacks that a CPU keeps for the next threads: of the default size, and of the one that `CPUSet.run` uses.
struct StackCache: ~Copyable {
  private static let limit = 16
  /// The size for `CPUSet.run`; 0 until it is known.
  fileprivate static let largeSize = BootConstant<Int>(0)

  // Not linked by words in the stacks: those have no memory below what was used.
  private var stacks: InlineArray<16, UnsafeMutableRawPointer?> = .init(repeating: nil)
  private var largeStacks: InlineArray<16, UnsafeMutableRawPointer?> = .init(repeating: nil)
  private var count = 0
  private var largeCount = 0

  @inline(__always)
  mutating func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    if byteCount == Thread.defaultStackSize {
      if count == 0 { return nil }
      count &-= 1
      return stacks[unchecked: count]
    }
    if byteCount != Self.largeSize.value || largeCount == 0 { return nil }
    largeCount &-= 1
    return largeStacks[unchecked: largeCount]
  }

  /// Keeps a stack; returns whether it is of a size that is kept, and there was room for it.
  @inline(__always)
  mutating func put(_ stack: UnsafeMutableRawPointer, _ byteCount: Int) -> Bool {
    if byteCount == Thread.defaultStackSize {
      if count == Self.limit { return false }
      stacks[unchecked: count] = stack
      count &+= 1
      return true
    }
    if byteCount != Self.largeSize.value || largeCount == Self.limit { return false }
    largeStacks[unchecked: largeCount] = stack
    largeCount &+= 1
    return true
  }
}

extension Scheduler {
  /// Lets CPUs keep stacks of this size too, in bytes. On the boot CPU, before there are threads.
  package static func keepStacks(ofSize byteCount: Int) { StackCache.largeSize.set(byteCount) }

  /// Gives back the stacks that this CPU keeps, and what threads that ended here have left. Not in
  /// interrupts.
  public static func reclaim() {
    Ending.reap()
    freeStacks(Thread.defaultStackSize)
    freeStacks(StackCache.largeSize.value)
  }

  private static func freeStacks(_ byteCount: Int) {
    while let stack = stacks.withCurrent({ $0.take(byteCount) }) {
      Stack(bottom: stack, byteCount: byteCount).free()
    }
  }
}
