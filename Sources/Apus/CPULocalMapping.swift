#if hasFeature(Embedded)
import Boot
import Machine
import PerCPU
import PhysicalMemory
import VirtualMemory

/// Memory of which each CPU has its own, at one address.
///
///     let counts = try CPULocalMapping(byteCount: 4096)
///     CPUSet.online.run { _ in
///       counts.withUnsafeMutableBytes { $0.storeBytes(of: 1, as: Int.self) }
///     }
///
/// No two CPUs share a page of it, and none is ever told of another's. All memory is there from the start, zeroed, so
/// closures of `CPUSet.interrupt` may use it, too. There may be 64 such values at a time.
///
/// It is made and given back on all CPUs: by a thread that may wait for them.
public struct CPULocalMapping: ~Copyable, Sendable {
  /// The first address, the same on each CPU.
  public let address: UInt
  /// How many bytes each CPU has: whole pages of 4,096.
  public let byteCount: Int

  /// Takes at least `byteCount` bytes of memory for each CPU that runs; 8 GiB at most.
  public init(byteCount: Int) throws(AddressSpaceError) {
    guard byteCount > 0 else { throw .empty }
    guard UInt64(byteCount) <= AddressSpace.localRangeByteCount,
      let start = AddressSpace.shared.takeLocalRange()
    else { throw .noAddresses(byteCount: UInt64(byteCount)) }
    let pages = (byteCount + 4095) & ~4095
    let missing = Atomic<Int>(0)
    CPUSet.online.run { _ in
      if !Self.mapOnThisCPU(start, pages) { missing.wrappingAdd(1, ordering: .relaxed) }
    }
    guard missing.load(ordering: .relaxed) == 0 else {
      Self.giveBack(start, pages)
      throw .outOfMemory
    }
    address = UInt(start)
    self.byteCount = pages
  }

  deinit { Self.giveBack(UInt64(address), byteCount) }

  private static func mapOnThisCPU(_ start: UInt64, _ byteCount: Int) -> Bool {
    for offset in stride(from: 0, to: UInt64(byteCount), by: 4096) {
      guard let frame = try? FrameAllocator.shared.allocateZeroed() else { return false }
      do throws(AddressSpaceError) {
        try AddressSpace.shared.mapLocal(frame, at: start + offset, .write)
      } catch {
        FrameAllocator.shared.free(frame)
        return false
      }
    }
    return true
  }

  private static func giveBack(_ start: UInt64, _ byteCount: Int) {
    CPUSet.online.run { _ in
      for offset in stride(from: 0, to: UInt64(byteCount), by: 4096) {
        if let frame = try? AddressSpace.shared.unmapLocal(at: start + offset) {
          FrameAllocator.shared.free(frame)
        }
      }
    }
    AddressSpace.shared.giveBackLocalRange(start)
  }

  /// Runs `body` on the memory of the CPU on which the thread is, and stays: it is not preempted meanwhile, so `body`
  /// is short and does not wait.
  public borrowing func withUnsafeMutableBytes<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let bytes = UnsafeMutableRawBufferPointer(
      start: UnsafeMutableRawPointer(bitPattern: address), count: byteCount)
    Processor.disablePreemption()
    defer { Processor.enablePreemption() }
    return try body(bytes)
  }
}
#endif
