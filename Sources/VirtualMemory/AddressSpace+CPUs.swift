import Boot
import Locking
import Machine
import PerCPU
import PhysicalMemory

/// Which CPUs use an address space, and what they have for themselves.
extension AddressSpace {
  /// The address space that each CPU uses, by its address; 0 is none.
  private static let current = CPULocal<BootConstant<UInt64>>()

  /// Memory that it takes to know for `count` CPUs which address space each of them uses.
  public static func byteCount(for count: Int) -> Int {
    CPULocal<BootConstant<UInt64>>.byteCount(for: count)
  }

  /// Makes CPUs change from one address space to another; `storage` is never freed. On the boot CPU.
  public static func initializeCPUs(in storage: UnsafeMutableRawPointer, count: Int) {
    current.initialize(in: storage, count: count) { _ in BootConstant(0) }
  }

  /// Makes the root of a CPU that does not run yet, so that its `activate` cannot fail.
  public func prepare(for cpu: CPU) throws(AddressSpaceError) {
    do throws(FrameAllocatorError) {
      try PrivateTables(privateTables.pointer(for: cpu)).makeRoot()
    } catch {
      throw .outOfMemory
    }
  }

  /// Makes the calling CPU use these page tables, instead of another address space's. The first time it
  /// makes the CPU's own root, which may fail. The address space stays where it is as long as a CPU uses
  /// it. On a stack that is the kernel's, not in interrupts; the thread stays on this CPU.
  public func activate() throws(AddressSpaceError) {
    Processor.disablePreemption()
    defer { Processor.enablePreemption() }
    let own = ownTables
    do throws(FrameAllocatorError) { try own.makeRoot() } catch { throw .outOfMemory }
    // Before the first walk, and a full fence: what was changed before is found by it.
    active.bitwiseOr(CPUSet(.current).rawValue, ordering: .sequentiallyConsistent)
    AddressTranslation.use(root: own.root.address)
    withUnsafePointer(to: self) { Self.leave(for: UInt64(UInt(bitPattern: $0))) }
  }

  /// Makes the calling CPU use the kernel's page tables alone. What it has of its own stays, to be used
  /// when it comes back. On a stack that is the kernel's, not in interrupts.
  public func deactivate() {
    Processor.disablePreemption()
    AddressTranslation.use(root: KernelAddressSpace.shared.rootAddress)
    Self.leave(for: 0)
    // Where nobody knows which address space each CPU uses.
    forgetCPU()
    Processor.enablePreemption()
  }

  /// The address of the address space that the calling CPU uses; 0 is none. With preemption off.
  static var currentAddress: UInt64 { current.currentIfInitialized?.pointee.value ?? 0 }

  /// Tells the address space that this CPU used that it does not any more, after it has forgotten it.
  private static func leave(for next: UInt64) {
    guard let current = current.currentIfInitialized else { return }
    let former = current.pointee.value
    current.pointee.set(next)
    if former != next, let space = UnsafePointer<AddressSpace>(bitPattern: UInt(former)) {
      space.pointee.forgetCPU()
    }
  }

  private func forgetCPU() {
    // Release: what this CPU did in the address space is done before it is not told of changes any more.
    active.bitwiseAnd(~CPUSet(.current).rawValue, ordering: .releasing)
  }

  /// Does what an access of this CPU needs that its processor could not do, in the address space that it
  /// uses: see `handle` and, on a small stack, `handleWithoutCopying`.
  @inline(__always)
  public static func handleOnThisCPU(
    _ fault: PageFault, withoutCopying: Bool = false
  ) -> PageFault.Outcome {
    let address = Processor.withPreemptionDisabled { currentAddress }
    guard let space = UnsafePointer<AddressSpace>(bitPattern: UInt(address)) else {
      return .unmapped
    }
    return withoutCopying
      ? space.pointee.handleWithoutCopying(fault) : space.pointee.handle(fault)
  }

  /// Gives back the memory that the calling CPU's own tables take, and its root: for one that does not come back
  /// for long. After `deactivate`, or after the last `run` here; not in interrupts. Takes as long as there are
  /// pages in the tables.
  public func releaseTables() {
    Epoch.shared.read { ownTables.release(commonRoot: rootTable) }
  }

  /// What a CPU has counted of the shootdowns of this address space. Exact when it does none just now.
  public func shootdownCounts(of cpu: CPU) -> ShootdownCounts {
    guard cpu.index < cpuCount.value else { return ShootdownCounts() }
    return privateTables.pointer(for: cpu).pointee.counts.values
  }
}
