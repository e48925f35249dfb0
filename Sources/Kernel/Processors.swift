#if hasFeature(Embedded)
import ACPI
import Boot
import CMachine
import Console
import Heap
import Interrupts
import Locking
import Machine
import PerCPU
import PhysicalMemory
import Scheduler
import Tracing
import VirtualMemory

/// The CPUs of the machine, from the firmware's list to all of them running.
struct Processors {
  /// Hardware ids by index, the boot CPU first; in memory that is never freed.
  private let hardwareIDs: UnsafeMutablePointer<UInt32>
  /// How many there are, and how many more that are left off.
  private(set) var count = 1
  private let leftOff: Int

  /// How many CPUs the firmware lists.
  var foundCount: Int { count + leftOff }

  /// Bytes of the stacks for traps that may come when the stack in use is bad, and of the gap below
  /// them: only code of the kernel runs there, whose frames are small.
  private static let trapStackSize = UInt64(APUS_TRAP_STACK_SIZE)
  private static let trapStackGap: UInt64 = 4096

  /// Bytes of the stack on which a CPU does what it does without a thread.
  private static let idleStackSize: UInt64 = 16384

  private let options: BootOptions
  /// The CPUs' `ProcessorBlock`s, one after the other.
  private let blocks: UnsafeMutableRawPointer

  /// Lists the CPUs of the firmware's tables without repetition.
  init(_ topology: CPUTopology, _ options: BootOptions, _ memory: IdentityMappedMemory) {
    guard let frame = try? FrameAllocator.shared.allocate(),
      let page = PhysicalMemoryWindow.pointer(to: frame.rawValue)
    else { StartUpFailure.stop("too little memory for the list of CPUs: give the machine more") }
    let ids = page.bindMemory(to: UInt32.self, capacity: CPU.maximumCount)
    var count = 1
    var surplus = 0
    var unreachable = 0
    ids[0] = Processor.hardwareID
    func add(_ id: UInt32) {
      for index in 0..<count where ids[index] == id { return }
      if !Processor.canReach(hardwareID: id) {
        unreachable += 1
      } else if count == CPU.maximumCount {
        surplus += 1
      } else {
        ids[count] = id
        count += 1
      }
    }
    topology.forEachProcessor(in: memory) { add($0.rawValue) }
    if let id = options.claimedCPU { add(UInt32(truncatingIfNeeded: id)) }
    hardwareIDs = ids
    blocks = Self.zeroedPages(byteCount: count * Int(ProcessorBlock.size))
    self.options = options
    self.count = count
    leftOff = surplus + unreachable
    Processor.setHardwareIDs(ids)
    if let failure = topology.madtFailure { Log.debug("no CPUs from the MADT: \(failure)") }
    if let failure = topology.mpTableFailure {
      Log.warning("only the boot CPU is known: \(failure)")
    }
    if unreachable > 0 {
      Log.warning("\(unreachable) CPUs are left off: their ids need an x2APIC, which is not there")
    }
    if surplus > 0 {
      Log.warning(
        "\(surplus) CPUs are left off: Apus supports \(CPU.maximumCount), there are \(count + surplus)"
      )
    }
  }

  /// Makes room for what each CPU has of its own and brings the boot CPU to the common state.
  func configureBootCPU() {
    Processor.prepareInterrupts()
    var storage = Self.zeroedPages(
      byteCount: CrossCall.byteCount(for: count) + UrgentCall.byteCount(for: count)
        + Epoch.byteCount(for: count) + AddressSpace.byteCount(for: count)
        + Scheduler.byteCount(for: count) + StopState.byteCount(for: count)
        + FrameAllocator.cacheByteCount(for: count) + Heap.byteCount(for: count))
    CrossCall.initialize(in: storage, count: count)
    storage += CrossCall.byteCount(for: count)
    UrgentCall.initialize(in: storage, count: count)
    storage += UrgentCall.byteCount(for: count)
    Epoch.shared.initialize(in: storage, count: count)
    storage += Epoch.byteCount(for: count)
    AddressSpace.initializeCPUs(in: storage, count: count)
    storage += AddressSpace.byteCount(for: count)
    Scheduler.initialize(in: storage, count: count)
    storage += Scheduler.byteCount(for: count)
    StopState.initialize(in: storage, count: count)
    storage += StopState.byteCount(for: count)
    FrameAllocator.shared.enableCaches(in: storage, count: count)
    FrameAllocator.shared.enableReserves()
    storage += FrameAllocator.cacheByteCount(for: count)
    // A global that cannot be moved has one address.
    withUnsafePointer(to: FrameAllocator.shared) {
      Heap.shared.initialize(on: $0, in: storage, count: count)
    }

    if options.isCooperative { Scheduler.makeCooperative() }
    if options.wantsStatistics { Statistics.start(count: count) }
    if options.traceEventCount > 0 {
      let byteCount = Trace.byteCount(for: count, eventCount: options.traceEventCount)
      Trace.start(
        in: Self.zeroedPages(byteCount: byteCount), count: count,
        eventCount: options.traceEventCount)
      Scheduler.startAccounting(count: count)
    }

    guard let block = Self.makeBlock(at: blocks, index: 0) else {
      StartUpFailure.stop("too little memory for the boot CPU's stacks: give the machine more")
    }
    ProcessorBlocks.store(block, for: CPU(index: 0))
    Processor.configure(block)
    let space: Void? = withUnsafePointer(to: FrameAllocator.shared) {
      try? AddressSpace.shared.initialize(
        scheme: options.pageTableScheme, on: $0, cpuCount: count)
    }
    guard space != nil, (try? AddressSpace.shared.activate()) != nil else {
      StartUpFailure.stop("too little memory for an address space: give the machine more")
    }
    FrameAllocator.shared.fillReserve()
    Heap.shared.useAddressSpace()
    Processor.enableInterrupts()
  }

  /// Starts all other CPUs at the same time; returns those for which `waitUntilOnline` is to wait.
  func startOthers(_ layout: BootMemory.Layout) -> CPUSet {
    guard count > 1 else { return CPUSet() }
    let entries = Self.zeroedPages(
      byteCount: count * MemoryLayout<SecondaryProcessors.Entry>.stride
    ).bindMemory(to: SecondaryProcessors.Entry.self, capacity: count)
    var expected = CPUSet()
    var prepared = 0
    for index in 1..<count {
      guard
        let block = Self.makeBlock(
          at: blocks + index * Int(ProcessorBlock.size), index: index),
        let stack = try? KernelAddressSpace.shared.makeStack(byteCount: Self.idleStackSize),
        (try? AddressSpace.shared.prepare(for: CPU(index: index))) != nil
      else {
        Log.warning("CPU \(index) and those after it are left off: too little memory for stacks")
        break
      }
      ProcessorBlocks.store(block, for: CPU(index: index))
      entries[prepared] = SecondaryProcessors.entry(
        hardwareID: hardwareIDs[index], index: index, stackTop: stack.top)
      prepared += 1
      expected.insert(CPU(index: index))
    }
    let trampoline = SecondaryProcessors.prepare(
      UnsafeMutableBufferPointer(start: entries, count: prepared), at: layout.trampoline)
    // The page stays executable, and no longer writable: a CPU that comes late still finds it.
    try? KernelAddressSpace.shared.protect(
      PhysicalRange(start: layout.trampoline, byteCount: 4096), .execute)
    trampoline.start()
    return expected
  }

  /// Halts until all of `expected` run, or none has come for as long as patience lasts. Each CPU
  /// that comes sends a wake-up; a spinning boot CPU would only take host time away from them.
  func waitUntilOnline(_ expected: CPUSet) {
    let patience = options.patienceInMilliseconds * 1_000_000
    var seen = CPUSet.online
    var deadline = MonotonicClock.nanoseconds + patience
    Processor.disableInterrupts()
    defer { Processor.enableInterrupts() }
    while true {
      let now = CPUSet.online
      if now.intersection(expected) == expected { break }
      if now != seen {
        seen = now
        deadline = MonotonicClock.nanoseconds + patience
      } else if MonotonicClock.nanoseconds >= deadline {
        Admission.close()
        reportMissing(expected.subtracting(CPUSet.online))
        break
      }
      OneShotTimer.arm(at: deadline)
      Processor.waitForInterrupt()
    }
    OneShotTimer.stop()
  }

  private func reportMissing(_ missing: CPUSet) {
    for cpu in missing {
      Log.error(
        "CPU \(cpu.index) (hardware id \(hardwareIDs[cpu.index])) did not start within \(options.patienceInMilliseconds) ms; the others run on"
      )
    }
  }

  /// The descriptor tables of a CPU, in zeroed memory, with the stacks that they name.
  private static func makeBlock(at memory: UnsafeMutableRawPointer, index: Int) -> ProcessorBlock? {
    do throws(FrameAllocatorError) {
      let stacks = ProcessorBlock.TrapStacks(
        report: try makeTrapStack(trapStackSize), nonMaskable: try makeTrapStack(trapStackSize),
        pageFault: try makeTrapStack(UInt64(APUS_PAGE_FAULT_STACK_SIZE)),
        interrupt: try makeTrapStack(UInt64(APUS_INTERRUPT_STACK_SIZE)))
      return ProcessorBlock(at: UInt(bitPattern: memory), index: index, stacks)
    } catch {
      return nil
    }
  }

  private static func makeTrapStack(_ byteCount: UInt64) throws(FrameAllocatorError) -> UInt {
    try KernelAddressSpace.shared.makeStack(byteCount: byteCount, gap: trapStackGap).top
  }

  /// Zeroed memory that is never freed.
  static func zeroedPages(byteCount: Int) -> UnsafeMutableRawPointer {
    let count = (byteCount + 4095) / 4096
    guard let frames = try? FrameAllocator.shared.allocate(count: count),
      let memory = PhysicalMemoryWindow.pointer(to: frames.rawValue)
    else { StartUpFailure.stop("too little memory for CPU-local storage: give the machine more") }
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: count * 4096)
    return memory
  }
}
#endif
