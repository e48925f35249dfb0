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
    if byteCount == Thread.defaultStackSize,
      let start = Scheduler.stacks.withCurrent({ $0.take() })
    {
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
    thread.deinitialize(count: 1)
    thread.deallocate()
    guard let memory else { return }
    if memory.byteCount == Thread.defaultStackSize,
      Scheduler.stacks.withCurrent({ $0.put(memory.start) })
    {
      return
    }
    Stack(bottom: memory.start, byteCount: memory.byteCount).free()
  }
}

/// Stacks of the default size that a CPU keeps for the next threads.
struct StackCache: ~Copyable {
  private static let limit = 16

  /// The first word of each says where the next one is.
  private var first: UnsafeMutableRawPointer?
  private var count = 0

  @inline(__always)
  mutating func take() -> UnsafeMutableRawPointer? {
    guard let stack = first else { return nil }
    first = stack.load(as: UnsafeMutableRawPointer?.self)
    count -= 1
    return stack
  }

  /// Keeps a stack; returns whether there was room for it.
  @inline(__always)
  mutating func put(_ stack: UnsafeMutableRawPointer) -> Bool {
    if count == Self.limit { return false }
    stack.storeBytes(of: first, as: UnsafeMutableRawPointer?.self)
    first = stack
    count += 1
    return true
  }
}

extension Scheduler {
  /// Gives back the stacks that this CPU keeps, and what threads that ended here have left. Not in
  /// interrupts.
  public static func reclaim() {
    Ending.reap()
    while let stack = stacks.withCurrent({ $0.take() }) {
      Stack(bottom: stack, byteCount: Thread.defaultStackSize).free()
    }
  }
}
