import Boot
import Machine
import PerCPU
import PhysicalMemory

/// The end of an address space.
extension AddressSpace {
  /// Gives back all memory: pages, tables, and what CPUs have for themselves. No CPU uses the address space, or
  /// anything of it, any more. Waits as `reclaim` does; not in interrupts, with no lock held.
  public func destroy() {
    precondition(
      active.load(ordering: .acquiring) == 0, "CPUs use an address space that is destroyed")
    do throws(AddressSpaceError) {
      try unmap(at: lowest.value, byteCount: limit.value - lowest.value)
    } catch {
      fatalError("whole entries of a root need no tables to be unmapped")
    }
    trimAll()
    removedTables.freeAll(of: frames)
    for index in 0..<cpuCount.value {
      PrivateTables(privateTables.pointer(for: CPU(index: index))).free()
    }
    areaKinds.free(of: frames)
    freeTables()
    frames.pointee.free(
      PhysicalAddress(PhysicalMemoryWindow.address(of: storage)), count: storageFrameCount)
  }

  /// Frees the root and the tables right below it, which stay as long as the address space. They are empty.
  private func freeTables() {
    let root = rootTable
    for index in 0..<PageTableFormat.entryCount {
      let entry = root[index].load()
      if entry.isTable(level: PageTableFormat.rootLevel) { root.child(entry).free() }
    }
    root.free()
  }
}
