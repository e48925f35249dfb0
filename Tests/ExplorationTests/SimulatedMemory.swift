import Machine

/// Physical memory of a simulated machine, from address 0 on.
final class SimulatedMemory {
  private let bytes: UnsafeMutableRawBufferPointer

  /// Memory full of zeroes, which `PhysicalMemoryWindow` shows from now on.
  init(byteCount: Int) {
    bytes = .allocate(byteCount: byteCount, alignment: 4096)
    PhysicalMemoryWindow.simulateOnThisThread(with: bytes)
    PhysicalMemoryWindow.zero(0, byteCount: byteCount)
  }

  deinit { bytes.deallocate() }

  /// Changes a word, as one operation that other CPUs see.
  func store(_ value: UInt64, at address: UInt64) {
    PhysicalMemoryWindow.pointer(to: address)?.assumingMemoryBound(to: Atomic<UInt64>.self)
      .pointee.store(value, ordering: .releasing)
  }

  /// Reads a word, as one operation that other CPUs may come before.
  func load(at address: UInt64) -> UInt64 {
    PhysicalMemoryWindow.pointer(to: address)?.assumingMemoryBound(to: Atomic<UInt64>.self)
      .pointee.load(ordering: .acquiring) ?? 0
  }

  /// Fills tables, one a page from `tables` on, so that a page leads to `frame`; returns the address of
  /// its entry.
  func mapPage(_ page: UInt64, to frame: UInt64, tables: UInt64) -> UInt64 {
    var table = tables
    for level in (1...PageTableFormat.rootLevel).reversed() {
      let entry = table + UInt64(PageTableFormat.index(of: page, level: level)) * 8
      table += 4096
      bytes.storeBytes(
        of: PageTableEntry(table: table).rawValue, toByteOffset: Int(entry), as: UInt64.self)
    }
    let entry = table + UInt64(PageTableFormat.index(of: page, level: 0)) * 8
    bytes.storeBytes(
      of: PageTableEntry(page: frame, .write, level: 0).rawValue, toByteOffset: Int(entry),
      as: UInt64.self)
    return entry
  }
}
