#if hasFeature(Embedded)
import CMachine
import Machine
import PerCPU
import PhysicalMemory
import VirtualMemory

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

/// The first Swift code on a secondary CPU: the same set-up as the boot CPU had, then work.
@c(apus_secondary_boot)
public func secondaryBoot(_ index: UInt64) {
  let cpu = CPU(index: Int(index))
  Processor.configure(ProcessorBlocks.block(of: cpu))
  // Its root was made before it was started.
  guard (try? AddressSpace.shared.activate()) != nil, Admission.admit(cpu) else { Processor.halt() }
  // The boot CPU waits for this.
  FrameAllocator.shared.fillReserve()
  Processor.send(.wake, to: 0)
  Processor.enableInterrupts()
  Idle.run()
}
#endif
