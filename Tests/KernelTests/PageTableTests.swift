import Boot
import Machine
import PhysicalMemory
import TestSupport
import Testing

@testable import VirtualMemory

/// A table without entries in simulated memory.
private func emptyTable() throws -> PageTable {
  let root = try FrameAllocator.shared.allocate().rawValue
  try #require(PhysicalMemoryWindow.pointer(to: root))
    .initializeMemory(as: UInt8.self, repeating: 0, count: 4096)
  return PageTable(root: root)
}

/// Gives a table's own pages back.
private func free(_ table: PageTable) {
  func free(_ page: UInt64, level: Int) {
    let entries = PhysicalMemoryWindow.pointer(to: page)?
      .assumingMemoryBound(to: PageTableEntry.self)
    if level > 0, let entries {
      for index in 0..<PageTableFormat.entryCount where entries[index].isPresent {
        if !entries[index].isPage(level: level) {
          free(entries[index].address, level: level - 1)
        }
      }
    }
    FrameAllocator.shared.free(PhysicalAddress(page))
  }
  free(table.root, level: PageTableFormat.rootLevel)
}

/// What an address leads to.
private struct Target: Equatable {
  var address: UInt64
  var permissions: PagePermissions
}

extension PageTable {
  fileprivate func target(of address: UInt64) -> Target? {
    let (entry, level) = lookUp(address)
    guard entry.isPresent else { return nil }
    let offset = address & (PageTableFormat.span(level: level) - 1)
    return Target(address: entry.address + offset, permissions: entry.permissions)
  }
}

private let large: UInt64 = 2 << 20

extension SimulatedMachine {
  @Suite struct PageTableTests {
    private let before: Int

    init() {
      _ = SimulatedMachine.shared
      before = FrameAllocator.shared.freeFrameCount
    }

    @Test func nothingIsMappedAtFirst() throws {
      let table = try emptyTable()
      defer { free(table) }
      for address in [0, 4096, large, 1 << 30, 1 << 46] as [UInt64] {
        #expect(table.target(of: address) == nil)
      }
    }

    @Test func largePagesWhereTheyFit() throws {
      let table = try emptyTable()
      defer { free(table) }
      try table.set(
        from: large - 4096, to: 3 * large + 8192, .physical(distance: 0, [.write]))
      #expect(table.lookUp(large - 4096).level == 0)
      #expect(table.lookUp(large).level == 1)
      #expect(table.lookUp(2 * large).level == 1)
      #expect(table.lookUp(3 * large).level == 0)
      #expect(table.target(of: large - 4097) == nil)
      #expect(table.target(of: 3 * large + 8192) == nil)
      // A root, a directory, a directory below, and two tables of small pages.
      #expect(before - FrameAllocator.shared.freeFrameCount == 5)
    }

    @Test func splittingALargePageKeepsTheRest() throws {
      let table = try emptyTable()
      defer { free(table) }
      let permissions: PagePermissions = [.write, .execute]
      try table.set(
        from: 4 * large, to: 6 * large, .physical(distance: 5 * large, permissions))
      try table.set(from: 4 * large + 4096, to: 4 * large + 8192, .same([]))
      try table.set(from: 4 * large + 12288, to: 4 * large + 16384, .nothing)
      for page in 0..<UInt64(1024) {
        let address = 4 * large + page * 4096
        let expected: Target? =
          switch page {
          case 1: Target(address: address + 5 * large, permissions: [])
          case 3: nil
          default: Target(address: address + 5 * large, permissions: permissions)
          }
        #expect(table.target(of: address) == expected, "page \(page)")
      }
      #expect(table.lookUp(5 * large).level == 1)
    }

    @Test func devicePagesStayDevicePagesWhenSplit() throws {
      let table = try emptyTable()
      defer { free(table) }
      try table.set(from: 0, to: large, .physical(distance: 0, [.write, .device]))
      try table.set(from: 0, to: 4096, .nothing)
      #expect(
        table.target(of: 8192) == Target(address: 8192, permissions: [.write, .device]))
    }

    /// Random changes of a range that straddles a border of 1 GiB, against an array of pages.
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func agreesWithAnArrayOfPages(seed: UInt64) throws {
      var random = SplitMix64(seed: seed)
      let table = try emptyTable()
      defer { free(table) }
      let base: UInt64 = 1 << 30 - 3 * large
      let count = 6 * 512
      var pages: [Target?] = Array(repeating: nil, count: count)
      for step in 0..<150 {
        let start: Int
        let length: Int
        if Bool.random(using: &random) {
          // Whole large pages.
          start = Int.random(in: 0..<6, using: &random) * 512
          length = Int.random(in: 1...(count - start) / 512, using: &random) * 512
        } else {
          start = Int.random(in: 0..<count, using: &random)
          length = Int.random(in: 1...min(count - start, 700), using: &random)
        }
        let from = base + UInt64(start) * 4096
        let to = from + UInt64(length) * 4096
        let permissions = PagePermissions(rawValue: .random(in: 0..<8, using: &random))
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
          try table.set(from: from, to: to, .nothing)
          for page in start..<start + length { pages[page] = nil }
        case 1:
          try table.set(from: from, to: to, .same(permissions))
          for page in start..<start + length { pages[page]?.permissions = permissions }
        case let kind:
          // A distance that suits large pages, or one that does not.
          let distance = UInt64.random(in: 0..<16, using: &random) * (kind == 2 ? large : 4096)
          try table.set(
            from: from, to: to, .physical(distance: distance, permissions),
            largestLevel: kind == 2 ? 1 : 0)
          for page in start..<start + length {
            pages[page] = Target(
              address: base + UInt64(page) * 4096 + distance, permissions: permissions)
          }
        }
        for page in 0..<count {
          try #require(
            table.target(of: base + UInt64(page) * 4096) == pages[page],
            "step \(step), page \(page)")
        }
      }
      #expect(table.target(of: base - 4096) == nil)
      #expect(table.target(of: base + UInt64(count) * 4096) == nil)
    }

    @Test func takingOutOrProtectingNothingNeedsNoTables() throws {
      let table = try emptyTable()
      defer { free(table) }
      let frames = FrameAllocator.shared.freeFrameCount
      try table.set(from: 4096, to: 1 << 31, .nothing)
      try table.set(from: 4096, to: 1 << 31, .same([.write]))
      #expect(FrameAllocator.shared.freeFrameCount == frames)
      #expect(table.target(of: large) == nil)
    }

    @Test func withoutFramesAChangeIsAnErrorAndMapsNothingWrong() throws {
      let table = try emptyTable()
      defer { free(table) }
      try table.set(from: 0, to: large, .physical(distance: 0, [.write]))
      try SimulatedMachine.withFrames(left: 0) {
        #expect(throws: FrameAllocatorError.outOfFrames) {
          try table.set(from: 4096, to: 8192, .nothing)
        }
      }
      #expect(table.lookUp(4096).level == 1)
      #expect(table.target(of: 4096) == Target(address: 4096, permissions: [.write]))
    }
  }
}
