import Boot
import Machine
import PhysicalMemory
import TestSupport
import Testing

@testable import VirtualMemory

/// Runs each test of a suite once for each scheme of page tables.
struct PageTableSchemes: SuiteTrait, TestTrait, TestScoping {
  /// The scheme of the address spaces that are made now.
  @TaskLocal static var tested = PageTableScheme.shared

  var isRecursive: Bool { true }

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    for scheme in PageTableScheme.allCases {
      try await Self.$tested.withValue(scheme) { try await function() }
    }
  }
}

extension Trait where Self == PageTableSchemes {
  /// See `PageTableSchemes`.
  static var bothSchemes: Self { Self() }
}

/// An address space of a test's own, with memory of its own.
final class AddressSpaceFixture: @unchecked Sendable {
  static let lowest: UInt64 = 0x2000_0000_0000
  static let page: UInt64 = 4096

  let space = AddressSpace()
  let frames: UnsafeMutablePointer<FrameAllocator>
  private let metadata: UnsafeMutableRawPointer
  private let caches: UnsafeMutableRawPointer
  private(set) var freeAtStart = 0

  /// With `byteCount` bytes of memory and `arenaCount` arenas.
  init(byteCount: UInt64 = 64 << 20, arenaCount: UInt64 = 4) throws {
    _ = SimulatedMachine.shared
    let start = SimulatedMachine.spare.start.rawValue
    let end = start + byteCount
    metadata = .allocate(
      byteCount: FrameAllocator.metadataByteCount(upTo: end), alignment: 8)
    caches = .allocate(
      byteCount: FrameAllocator.cacheByteCount(for: SimulatedMachine.cpuCount), alignment: 128)
    frames = .allocate(capacity: 1)
    frames.initialize(to: FrameAllocator())
    frames.pointee.initialize(upTo: end, metadata: metadata)
    frames.pointee.add(PhysicalRange(start: start, end: end))
    frames.pointee.enableCaches(in: caches, count: SimulatedMachine.cpuCount)
    try space.initialize(
      from: Self.lowest,
      to: Self.lowest + arenaCount * PageTableFormat.span(level: PageTableFormat.rootLevel),
      scheme: PageTableSchemes.tested, on: frames, cpuCount: SimulatedMachine.cpuCount)
    // The tables of the arenas stay.
    for number in 0..<arenaCount {
      let start = Self.lowest + number * Arena.span
      try space.map(at: start, byteCount: Self.page, .write)
      try space.unmap(at: start, byteCount: Self.page)
    }
    space.reclaim()
    freeAtStart = freeCount
  }

  deinit {
    frames.deinitialize(count: 1)
    frames.deallocate()
    metadata.deallocate()
    caches.deallocate()
  }

  var freeCount: Int { frames.pointee.freeFrameCount }

  /// Unmaps all, and gives back all that is empty.
  func clear() throws {
    try space.unmap(at: space.lowest.value, byteCount: space.limit.value - space.lowest.value)
    space.reclaim()
  }

  /// What the tables say about the page at an address: empty, a promise, or a page.
  func meaning(of address: UInt64) -> PageTableEntry {
    var table = space.rootTable
    var level = PageTableFormat.rootLevel
    while true {
      let entry = table[PageTableFormat.index(of: address, level: level)].load()
      if entry.isTable(level: level) {
        table = table.child(entry)
        level -= 1
        continue
      }
      var part = entry
      while level > 0 {
        part = part.part(PageTableFormat.index(of: address, level: level - 1), level: level)
        level -= 1
      }
      return part
    }
  }

  /// As the processor would, for one access.
  func touch(_ address: UInt64, _ access: PageFault.Access = .write) -> PageFault.Outcome {
    space.handle(PageFault(at: address, access))
  }

  /// How many tables are below the arenas' own.
  var tableCount: Int { count(space.rootTable, level: PageTableFormat.rootLevel) }

  private func count(_ table: TablePage, level: Int) -> Int {
    var result = 0
    for index in 0..<PageTableFormat.entryCount {
      let entry = table[index].load()
      if entry.isTable(level: level) {
        result +=
          (level < PageTableFormat.rootLevel ? 1 : 0) + count(table.child(entry), level: level - 1)
      }
    }
    return result
  }

  /// Checks that every table counts its entries, and that no lock is held.
  func checkTables() {
    check(space.rootTable, level: PageTableFormat.rootLevel)
  }

  private func check(_ table: TablePage, level: Int) {
    var uses = 0
    for index in 0..<PageTableFormat.entryCount {
      let entry = table[index].load()
      #expect(!entry.isChanging && !entry.isDetached)
      if !entry.isUnmapped { uses += 1 }
      if entry.isTable(level: level) { check(table.child(entry), level: level - 1) }
    }
    #expect(table.useCount == uses && !table.isHeldHere)
  }
}
