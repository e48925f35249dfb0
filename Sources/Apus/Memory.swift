#if hasFeature(Embedded)
import Heap
import PerCPU
import PhysicalMemory
import VirtualMemory
import Scheduler

/// The machine's memory.
public enum Memory {
  /// Bytes that can be had now, in whole frames. What is free inside of the heap's pages does not count
  /// until `reclaim` has given those pages back.
  public static var freeByteCount: Int {
    FrameAllocator.shared.freeFrameCount * Int(FrameAllocator.frameSize)
  }

  /// Bytes that applications and kernel were given at the start.
  public static var usableByteCount: Int {
    FrameAllocator.shared.usableFrameCount * Int(FrameAllocator.frameSize)
  }

  /// Gives back to the whole machine what the CPUs keep at hand: afterwards free memory is all that
  /// nobody uses. Runs on every CPU and waits for all: with interrupts on, not with a lock held.
  public static func reclaim() {
    CPUSet.online.run { _ in
      Scheduler.reclaim()
      Heap.shared.releaseKeptRanges()
      Heap.shared.reclaim()
    }
    // Again: to run on other CPUs took memory.
    Scheduler.reclaim()
    Heap.shared.reclaim()
    AddressSpace.shared.reclaim()
    FrameAllocator.shared.reclaim()
  }
}
#endif
