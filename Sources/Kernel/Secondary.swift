#if hasFeature(Embedded)
import CMachine
import Locking
import Machine
import PerCPU

/// Where each secondary CPU finds its block: a word per CPU next to what else is its own.
enum ProcessorBlocks {
  static func store(_ block: ProcessorBlock, for cpu: CPU) {
    StopState.all.pointer(for: cpu).pointee.block.store(
      UInt64(block.address), ordering: .releasing)
  }

  static func block(of cpu: CPU) -> ProcessorBlock {
    ProcessorBlock(
      at: UInt(StopState.all.pointer(for: cpu).pointee.block.load(ordering: .acquiring)))
  }
}

/// Who may still join the CPUs that run. Once the boot CPU has stopped waiting the number of CPUs
/// is constant: whoever comes later stays off.
enum Admission {
  private static let isOpen = SpinLock(true)

  /// Adds a CPU to those that run; false when it is too late.
  static func admit(_ cpu: CPU) -> Bool {
    isOpen.withLock { isOpen in
      if isOpen { CPUSet.markOnline(cpu) }
      return isOpen
    }
  }

  static func close() { isOpen.withLock { $0 = false } }
}

/// The first Swift code on a secondary CPU: the same set-up as the boot CPU had, then work.
@c(apus_secondary_boot)
public func secondaryBoot(_ index: UInt64) {
  let cpu = CPU(index: Int(index))
  Processor.configure(ProcessorBlocks.block(of: cpu))
  guard Admission.admit(cpu) else { Processor.halt() }
  // The boot CPU waits for this.
  Processor.send(.wake, to: 0)
  Processor.enableInterrupts()
  CPUWork.serve()
}
#endif
