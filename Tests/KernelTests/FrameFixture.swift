import Boot
import Machine
import PerCPU
import TestSupport
import Testing

@testable import PhysicalMemory

/// An allocator of its own over the simulated machine's spare memory, of which some ranges are
/// usable. Its records begin as the worst garbage there is: as if every frame were held.
final class FrameFixture: @unchecked Sendable {
  let allocator = FrameAllocator()
  let usable: [PhysicalRange]
  private let metadata: UnsafeMutableRawPointer
  private let caches: UnsafeMutableRawPointer?

  /// `usable` must lie in `SimulatedMachine.spare`.
  init(usable: [PhysicalRange], cpuCount: Int = 0) {
    _ = SimulatedMachine.shared
    let end = usable.map(\.end.rawValue).max() ?? 0
    let byteCount = FrameAllocator.metadataByteCount(upTo: end)
    metadata = .allocate(byteCount: byteCount, alignment: 8)
    metadata.initializeMemory(
      as: UInt32.self, repeating: FrameRecord.allocated(order: 0).rawValue, count: byteCount / 4)
    allocator.initialize(upTo: end, metadata: metadata)
    for range in usable { allocator.add(range) }
    self.usable = usable
    if cpuCount > 0 {
      let storage = UnsafeMutableRawPointer.allocate(
        byteCount: FrameAllocator.cacheByteCount(for: cpuCount), alignment: 128)
      allocator.enableCaches(in: storage, count: cpuCount)
      caches = storage
    } else {
      caches = nil
    }
  }

  deinit {
    metadata.deallocate()
    caches?.deallocate()
  }

  /// The numbers of the frames that lie in usable memory as a whole.
  var frames: Set<Int> {
    var result: Set<Int> = []
    for range in usable {
      result.formUnion(
        Int((range.start.rawValue + 4095) / 4096)..<Int(range.end.rawValue / 4096))
    }
    return result
  }

  // For expectations, which cannot call methods of a type that cannot be copied.
  func cache(_ cpu: Int) -> FrameCacheStatistics? { allocator.statistics(of: CPU(index: cpu)) }
  func zeroAhead(unless isNeeded: () -> Bool = { false }) -> Bool {
    allocator.zeroAhead(unless: isNeeded)
  }

  func release(_ address: PhysicalAddress) -> Bool { allocator.release(address) }
  func references(_ address: PhysicalAddress) -> Int { allocator.referenceCount(address) }
  func allocate() throws(FrameAllocatorError) -> PhysicalAddress { try allocator.allocate() }
  func allocate(
    count: Int, alignment: UInt64 = 4096, below limit: UInt64 = .max
  ) throws(FrameAllocatorError) -> PhysicalAddress {
    try allocator.allocate(count: count, alignment: alignment, below: limit)
  }
  func allocate(at address: PhysicalAddress, count: Int = 1) throws(FrameAllocatorError) {
    try allocator.allocate(at: address, count: count)
  }

  /// What is wrong with the blocks that memory is divided into; empty if nothing is. All memory is
  /// looked at from block to block, so it should not be too much.
  func faults() -> [String] {
    allocator.withBuddies { buddies in
      let table = buddies.table
      var faults: [String] = []
      var counts = [Int](repeating: 0, count: 19)
      var free = 0
      var cached = 0
      var frame = 0
      while frame < table.frameCount {
        let record = table[frame]
        let size = 1 << record.order
        if record.isKind(.interior) { faults.append("no block begins at \(frame)") }
        if frame % size != 0 { faults.append("the block at \(frame) is not aligned") }
        if record.isKind(.free) {
          counts[record.order] += 1
          free += size
          let buddy = frame ^ size
          if record.order < 18, buddy + size <= table.frameCount,
            table[buddy].unwritten(false) == record.unwritten(false)
          {
            faults.append("\(frame) and \(buddy) are free halves of a block")
          }
        }
        if record.isKind(.cached) { cached += size }
        if !record.isUnwritten {
          for inside in frame + 1..<frame + size where !table[inside].isKind(.interior) {
            faults.append(
              "\(inside) inside of the block at \(frame) says \(table[inside].rawValue)")
          }
        }
        if size > 1, table.block(containing: frame + size - 1).start != frame {
          faults.append("the last frame of the block at \(frame) is not found in it")
        }
        frame += size
      }
      if frame != table.frameCount { faults.append("the last block goes beyond the end") }
      for order in 0...18 where counts[order] != buddies.blockCount(order: order) {
        faults.append(
          "\(counts[order]) blocks of order \(order), \(buddies.blockCount(order: order)) counted")
      }
      if free != buddies.freeCount { faults.append("\(free) frames, \(buddies.freeCount) counted") }
      let inCaches = (0..<allocator.cacheCount.value).reduce(0) {
        $0 + allocator.caches.pointer(for: CPU(index: $1)).pointee.frameCount
      }
      if cached != inCaches { faults.append("\(cached) frames cached, \(inCaches) in caches") }
      return Array(faults.prefix(10))
    }
  }
}

/// Runs `body` as if on another CPU.
func onCPU<Result, Failure: Error>(
  _ index: Int, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
  let own = Processor.index
  Processor.index = index
  defer { Processor.index = own }
  return try body()
}

/// Three ranges with holes between them, borders that are no frame borders, and the last one up to
/// the end of memory.
let scatteredRanges = [
  PhysicalRange(start: base + 0x1001, end: base + 0x42FFF),
  PhysicalRange(start: base + 0x44000, end: base + 0x120_000),
  PhysicalRange(start: base + 0x140_000, end: base + 0x1F3_000),
]
private let base = SimulatedMachine.spare.start.rawValue
