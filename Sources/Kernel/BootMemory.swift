#if hasFeature(Embedded)
import Boot
import Console
import Machine
import PhysicalMemory
import VirtualMemory

/// From the VMM's memory map to a frame allocator and an address space in which every page is
/// used for one purpose only.
enum BootMemory {
  /// What the assembly's tables map.
  static let mappedAtStart: UInt64 = 1 << 32

  /// Places that later steps need.
  struct Layout {
    /// A page below 1 MiB for the start of other CPUs.
    var trampoline: UInt64
    /// A page that nobody else uses, for a VMM to write to.
    var scratchPage: UInt
  }

  /// Reserves what is in use, gives the rest to the frame allocator.
  static func take(
    _ map: inout MemoryMap, _ startInfo: StartInfo, _ memory: IdentityMappedMemory
  ) -> Layout {
    do throws(MemoryMapError) {
      // Page 0 is never mapped; the firmware keeps data in it that may be asked for until then.
      try map.reserve(PhysicalRange(start: UInt64(0), end: 4096))
      try map.reserve(
        PhysicalRange(start: ImageLayout.start, end: ImageLayout.end).roundedToPages)
      try reserveHandedOver(&map, startInfo, memory)
      let trampoline = try carve(
        &map, byteCount: 4096, from: 0x1000, below: SecondaryProcessors.trampolineLimit)
      let scratch = try carve(&map, byteCount: 4096, from: 0x1000, below: mappedAtStart)
      let end = map.highestUsableEnd.rawValue
      let metadata = try carve(
        &map, byteCount: UInt64(FrameAllocator.metadataByteCount(upTo: end)), from: 0x1000,
        below: mappedAtStart)
      guard let trampoline, let scratch, let metadata,
        let pointer = PhysicalMemoryWindow.pointer(to: metadata)
      else { StartUpFailure.stop("too little memory: give the machine more") }
      FrameAllocator.shared.initialize(upTo: end, metadata: pointer)
      let layout = Layout(
        trampoline: trampoline, scratchPage: UInt(scratch))
      KernelAddressSpace.shared.adopt(root: AddressTranslation.root)
      addUsable(map)
      return layout
    } catch {
      StartUpFailure.stop("\(error)")
    }
  }

  /// What the VMM handed over stays until the end: the application reads files and arguments.
  private static func reserveHandedOver(
    _ map: inout MemoryMap, _ startInfo: StartInfo, _ memory: IdentityMappedMemory
  ) throws(MemoryMapError) {
    var failure: MemoryMapError?
    startInfo.forEachOccupiedRange { range in
      do throws(MemoryMapError) { try map.reserve(range.roundedToPages) } catch { failure = error }
    }
    if let failure { throw failure }
    for index in 0..<startInfo.moduleCount {
      guard let module = try? startInfo.module(index, in: memory) else { continue }
      try map.reserve(module.range.roundedToPages)
    }
    if startInfo.commandLineAddress != 0 {
      try map.reserve(
        PhysicalRange(start: startInfo.commandLineAddress, byteCount: 4096).roundedToPages)
    }
  }

  /// Takes the lowest free pages.
  private static func carve(
    _ map: inout MemoryMap, byteCount: UInt64, from lowest: UInt64, below limit: UInt64
  ) throws(MemoryMapError) -> UInt64? {
    let byteCount = (byteCount + 4095) & ~4095
    var found: UInt64?
    map.forEachUsable { range in
      let start = (Swift.max(range.start.rawValue, lowest) + 4095) & ~4095
      let end = Swift.min(range.end.rawValue, limit)
      if found == nil, start < end, end - start >= byteCount { found = start }
    }
    if let found { try map.reserve(PhysicalRange(start: found, byteCount: byteCount)) }
    return found
  }

  /// Memory above what is mapped is mapped first, with tables from below.
  private static func addUsable(_ map: borrowing MemoryMap) {
    let low = PhysicalRange(start: UInt64(0), end: mappedAtStart)
    map.forEachUsable { FrameAllocator.shared.add($0.intersection(low)) }
    map.forEachUsable { range in
      let start = (Swift.max(range.start.rawValue, mappedAtStart) + 4095) & ~4095
      let high = PhysicalRange(start: start, end: Swift.max(range.end.rawValue & ~4095, start))
      guard !high.isEmpty else { return }
      do throws(FrameAllocatorError) {
        try KernelAddressSpace.shared.mapPhysical(high, .write)
        FrameAllocator.shared.add(high)
      } catch {
        Log.warning("memory from \(hex: start) on is not used: no frames for its page tables")
      }
    }
  }

  /// Code may not be written, data not executed, page 0 not touched, device registers not cached.
  ///
  /// The assembly left everything but the pages around the image's code without execution.
  static func restrictAddressSpace() {
    let largePage = PageTableFormat.span(level: 1)
    let imageEnd = (ImageLayout.end + largePage - 1) & ~(largePage - 1)
    do throws(FrameAllocatorError) {
      try KernelAddressSpace.shared.unmap(PhysicalRange(start: UInt64(0), end: 4096))
      try KernelAddressSpace.shared.protect(
        PhysicalRange(start: 4096, end: ImageLayout.start), .write)
      try KernelAddressSpace.shared.protect(
        PhysicalRange(start: ImageLayout.start, end: ImageLayout.textEnd), .execute)
      try KernelAddressSpace.shared.protect(
        PhysicalRange(start: ImageLayout.textEnd, end: ImageLayout.constantsEnd), [])
      try KernelAddressSpace.shared.protect(
        PhysicalRange(start: ImageLayout.constantsEnd, end: imageEnd), .write)
      try KernelAddressSpace.shared.unmap(
        PhysicalRange(start: ImageLayout.bootStackGuard, byteCount: 4096))
      let registers = Processor.interruptControllerAddress & ~(largePage - 1)
      try KernelAddressSpace.shared.mapPhysical(
        PhysicalRange(start: registers, byteCount: largePage), [.write, .device])
    } catch {
      StartUpFailure.stop("too little memory for page tables: give the machine more")
    }
  }
}
#endif
