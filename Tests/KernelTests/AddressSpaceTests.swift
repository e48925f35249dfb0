import Boot
import Machine
import PhysicalMemory
import TestSupport
import Testing

@testable import VirtualMemory

extension SimulatedMachine {
  @Suite(.bothSchemes) struct AddressSpaceTests {
    private let fixture: AddressSpaceFixture
    private var space: AddressSpace { _read { yield fixture.space } }
    private let page = AddressSpaceFixture.page
    private let lowest = AddressSpaceFixture.lowest
    private static let kinds: [PagePermissions] = [[], .write, .execute, .inaccessible]

    init() throws { fixture = try AddressSpaceFixture() }

    // MARK: Promises for a part

    @Test(arguments: [4096, 1 << 20, 2 << 20, 6 << 20, 1 << 30, 3 << 30])
    func anUntouchedRangeTakesNoTables(byteCount: UInt64) throws {
      // What is above the entry is there already.
      let neighbour = try space.map(byteCount: page, .write)
      let before = (fixture.freeCount, fixture.tableCount)
      try space.unmap(at: neighbour, byteCount: page)
      let start = try space.map(byteCount: byteCount, .write, options: .smallPages)
      #expect((fixture.freeCount, fixture.tableCount) == before)
      #expect(fixture.meaning(of: start).isReserved)
      #expect(fixture.meaning(of: start + byteCount - page).isReserved)
      #expect(fixture.meaning(of: start + byteCount).isUnmapped)
      #expect(fixture.touch(start + byteCount) == .unmapped)
      #expect(fixture.touch(start + byteCount - page) == .resolved)
      #expect(fixture.touch(start + byteCount) == .unmapped)
      try space.unmap(at: start, byteCount: byteCount)
      #expect(fixture.meaning(of: start + byteCount - page).isUnmapped)
      fixture.checkTables()
    }

    @Test func neighboursThatAreEqualAreOnePromise() throws {
      let first = try space.map(byteCount: page, .write)
      let tables = fixture.tableCount
      let second = try space.map(byteCount: 4 * page, .write)
      #expect(second == first + page && fixture.tableCount == tables)
      // Another kind needs an entry of its own.
      let third = try space.map(byteCount: page, [])
      #expect(third == second + 4 * page && fixture.tableCount == tables + 1)
      #expect(fixture.meaning(of: third).allowed == [])
      #expect(fixture.meaning(of: second).allowed == .write)
    }

    /// Random operations of all sizes, and what every page is afterwards.
    @Test(arguments: 0..<4) func operationsMeanWhatTheySay(seed: UInt64) throws {
      var random = SplitMix64(seed: seed)
      // Tables of 2 MiB and of 1 GiB, and the border between.
      let pageCount = 3 * 512
      let start = lowest + PageTableFormat.span(level: 2) - 700 * page
      var expected = [PagePermissions?](repeating: nil, count: pageCount)
      var isTouched = [Bool](repeating: false, count: pageCount)
      for _ in 0..<60 {
        var first = Int.random(in: 0..<pageCount, using: &random)
        var count = Int.random(in: 1...(Bool.random(using: &random) ? 8 : 900), using: &random)
        if Int.random(in: 0..<4, using: &random) == 0 {
          first = Swift.min((first / 512) * 512 + 700 % 512, pageCount - 1)
          count = 512
        }
        count = Swift.min(count, pageCount - first)
        let range = first..<first + count
        let (at, byteCount) = (start + UInt64(first) * page, UInt64(count) * page)
        let permissions = Self.kinds[Int.random(in: 0..<Self.kinds.count, using: &random)]
        switch Int.random(in: 0..<7, using: &random) {
        case 0:
          let isFree = range.allSatisfy { expected[$0] == nil }
          do throws(AddressSpaceError) {
            try space.map(at: at, byteCount: byteCount, permissions)
            #expect(isFree)
            for index in range { expected[index] = permissions }
          } catch {
            guard case .occupied(let end) = error else { throw error }
            #expect(!isFree)
            let obstacle = Int((end - start) / page) - 1
            #expect(obstacle >= first && (obstacle >= pageCount || expected[obstacle] != nil))
          }
        case 1:
          try space.map(at: at, byteCount: byteCount, permissions, replacing: true)
          for index in range { (expected[index], isTouched[index]) = (permissions, false) }
        case 2:
          try space.unmap(at: at, byteCount: byteCount)
          for index in range { (expected[index], isTouched[index]) = (nil, false) }
        case 3:
          try space.protect(at: at, byteCount: byteCount, permissions)
          for index in range where expected[index] != nil { expected[index] = permissions }
        case 4:
          try space.discard(at: at, byteCount: byteCount)
          for index in range { isTouched[index] = false }
        case 5:
          let bad = range.first { expected[$0].map { $0.contains(.inaccessible) } ?? true }
          do throws(AddressSpaceError) {
            try space.populate(at: at, byteCount: byteCount)
            #expect(bad == nil)
            for index in range { isTouched[index] = true }
          } catch {
            #expect(bad != nil)
            guard let bad else { throw error }
            let address = start + UInt64(bad) * page
            #expect(
              error
                == (expected[bad] == nil
                  ? .notMapped(address: address) : .inaccessible(address: address)))
          }
        default:
          for index in range.prefix(6) {
            let outcome = fixture.touch(start + UInt64(index) * page, .read)
            switch expected[index] {
            case nil: #expect(outcome == .unmapped)
            case PagePermissions.inaccessible?: #expect(outcome == .forbidden)
            default:
              #expect(outcome == .resolved)
              isTouched[index] = true
            }
          }
        }
        for index in 0..<pageCount where range ~= index || index % 7 == 0 {
          let meaning = fixture.meaning(of: start + UInt64(index) * page)
          #expect(meaning.isUnmapped == (expected[index] == nil))
          #expect(meaning.hasFrame == isTouched[index])
          if let permissions = expected[index] { #expect(meaning.allowed == permissions) }
        }
        fixture.checkTables()
      }
      try fixture.clear()
      #expect(fixture.freeCount == fixture.freeAtStart)
    }

    // MARK: Anywhere

    @Test func rangesThatAreMappedAnywhereDoNotOverlap() throws {
      var random = SplitMix64(seed: 7)
      var ranges: [Range<UInt64>] = []
      for _ in 0..<2000 {
        if Int.random(in: 0..<3, using: &random) == 0, !ranges.isEmpty {
          let range = ranges.remove(at: Int.random(in: 0..<ranges.count, using: &random))
          try space.unmap(at: range.lowerBound, byteCount: UInt64(range.count))
        } else {
          let byteCount = page << UInt64.random(in: 0...18, using: &random)
          let alignment = page << UInt64.random(in: 0...11, using: &random)
          let start = try space.map(
            byteCount: byteCount, alignment: alignment, Bool.random(using: &random) ? [] : .write)
          #expect(start % alignment == 0)
          ranges.append(start..<start + byteCount)
        }
      }
      ranges.sort { $0.lowerBound < $1.lowerBound }
      for (range, next) in zip(ranges, ranges.dropFirst()) {
        #expect(range.upperBound <= next.lowerBound)
      }
      try fixture.clear()
      #expect(fixture.freeCount == fixture.freeAtStart)
    }

    @Test func aGapIsFoundAgainWhenAllElseIsTaken() throws {
      // Fill the arena up to the end, with a gap.
      let gap = lowest + 5 * PageTableFormat.span(level: 2) + 3 * page
      try space.map(at: lowest, byteCount: gap - lowest, .write)
      let behind = gap + 2 * page
      try space.map(at: behind, byteCount: lowest + Arena.span - behind, .write)
      #expect(try space.map(byteCount: page, .write) == gap)
      // The next arena, if it does not fit.
      #expect(try space.map(byteCount: 2 * page, .write) == lowest + Arena.span)
      #expect(try space.map(byteCount: page, .write) == gap + page)
      // Across arenas.
      let large = Arena.span + Arena.span / 2
      let across = try space.map(byteCount: large, .write)
      #expect(across >= lowest + Arena.span)
      #expect(throws: AddressSpaceError.noAddresses(byteCount: 2 * Arena.span)) {
        try space.map(byteCount: 2 * Arena.span, .write)
      }
    }

    @Test func aHintIsTakenWhenItIsFree() throws {
      let hint = lowest + 77 * page
      #expect(try space.map(byteCount: page, hint: hint, .write) == hint)
      #expect(try space.map(byteCount: page, hint: hint, .write) != hint)
      #expect(try space.map(byteCount: page, hint: hint + 1, .write) % page == 0)
      #expect(try space.map(byteCount: page, hint: 4096, .write) >= lowest)
    }

    @Test func whatWasUnmappedLastIsMappedNext() throws {
      let first = try space.map(byteCount: 8 * page, .write)
      let second = try space.map(byteCount: 16 * page, .write)
      try space.unmap(at: second, byteCount: 16 * page)
      #expect(try space.map(byteCount: 4 * page, .write) == second)
      #expect(second == first + 8 * page)
    }

    // MARK: Bad input

    @Test func badRangesAreRefused() throws {
      let limit = lowest + 4 * Arena.span
      let bad: [(UInt64, UInt64, AddressSpaceError)] = [
        (lowest, 0, .empty),
        (lowest + 1, page, .notPageAligned(start: lowest + 1, byteCount: page)),
        (lowest, 100, .notPageAligned(start: lowest, byteCount: 100)),
        (0, page, .outOfBounds(start: 0, byteCount: page, lowest: lowest, limit: limit)),
        (
          limit - page, 2 * page,
          .outOfBounds(start: limit - page, byteCount: 2 * page, lowest: lowest, limit: limit)
        ),
        (
          0x8000_0000_0000, page,
          .outOfBounds(start: 0x8000_0000_0000, byteCount: page, lowest: lowest, limit: limit)
        ),
        (
          lowest, 0 &- page,
          .outOfBounds(start: lowest, byteCount: 0 &- page, lowest: lowest, limit: limit)
        ),
      ]
      for (start, byteCount, error) in bad {
        #expect(throws: error) { try space.map(at: start, byteCount: byteCount, .write) }
        #expect(throws: error) { try space.unmap(at: start, byteCount: byteCount) }
        #expect(throws: error) { try space.protect(at: start, byteCount: byteCount, []) }
        #expect(throws: error) { try space.discard(at: start, byteCount: byteCount) }
        #expect(throws: error) { try space.populate(at: start, byteCount: byteCount) }
      }
      for alignment: UInt64 in [0, 1, 2048, 12288, 1 << 63] {
        #expect(throws: AddressSpaceError.badAlignment(alignment)) {
          try space.map(byteCount: page, alignment: alignment, .write)
        }
      }
      #expect(throws: AddressSpaceError.noAddresses(byteCount: 0 &- page)) {
        try space.map(byteCount: 0 &- page, .write)
      }
      #expect(throws: AddressSpaceError.writableAndExecutable) {
        try space.map(byteCount: page, [.write, .execute])
      }
      let start = try space.map(
        byteCount: page, [.write, .execute], options: .allowsWriteAndExecute)
      #expect(throws: AddressSpaceError.writableAndExecutable) {
        try space.protect(at: start, byteCount: page, [.write, .execute])
      }
      try space.protect(
        at: start, byteCount: page, [.write, .execute], allowsWriteAndExecute: true)
    }

    // MARK: Out of memory

    /// Every allocation of an operation fails once: then nothing has changed.
    @Test func anOperationThatFailsChangesNothing() throws {
      let start = lowest + PageTableFormat.span(level: 2) - 300 * page
      let byteCount = 900 * page
      let operations: [(String, () throws -> Void)] = [
        ("map", { try space.map(at: start + page, byteCount: byteCount, []) }),
        ("replace", { try space.map(at: start + page, byteCount: byteCount, [], replacing: true) }),
        (
          "replace and populate",
          {
            try space.map(
              at: start + page, byteCount: byteCount, .write, replacing: true, options: .populate)
          }
        ),
        (
          "replace large and populate",
          {
            try space.map(
              at: start + page, byteCount: 8 << 20, .write, replacing: true, options: .populate)
          }
        ),
        ("unmap", { try space.unmap(at: start + page, byteCount: byteCount) }),
        ("protect", { try space.protect(at: start + page, byteCount: byteCount, []) }),
        ("populate", { try space.populate(at: start + page, byteCount: byteCount) }),
        (
          "map and populate",
          { _ = try space.map(byteCount: byteCount, .write, options: .populate) }
        ),
        (
          "map large and populate",
          { _ = try space.map(byteCount: 6 << 20, .write, options: .populate) }
        ),
      ]
      for (name, operation) in operations {
        var failures = 0
        var number = 0
        while true {
          // The first ones are for tables, then come many for pages.
          number += Swift.max(1, number / 8)
          try fixture.clear()
          #expect(fixture.freeCount == fixture.freeAtStart)
          if name != "map" {
            try space.map(at: start, byteCount: 3 << 30, .write, options: .smallPages)
          }
          let meanings = (0..<4).map { fixture.meaning(of: start + $0 * 300 * page) }
          let before = (fixture.freeCount, fixture.tableCount)
          // Where there are no large pages, small ones do.
          fixture.frames.pointee.failAllocations(from: number, count: 1 << 20)
          let result = Result { try operation() }
          fixture.frames.pointee.stopFailing()
          fixture.checkTables()
          guard case .failure(let error) = result else { break }
          #expect(error as? AddressSpaceError == .outOfMemory, "\(name)")
          failures += 1
          space.reclaim()
          #expect(
            (fixture.freeCount, fixture.tableCount) == before, "\(name), allocation \(number)")
          #expect((0..<4).map { fixture.meaning(of: start + $0 * 300 * page) } == meanings)
        }
        #expect(failures > 0, "\(name)")
      }
    }

    // MARK: Large pages

    @Test func largeRangesGetLargePages() throws {
      let start = try space.map(byteCount: 8 << 20, .write)
      #expect(start % (2 << 20) == 0)
      #expect(fixture.touch(start + 5 * page) == .resolved)
      let tables = fixture.tableCount
      #expect(tables == 1)
      #expect(fixture.meaning(of: start + 511 * page).isPresent)
      // A part of it is divided.
      try space.protect(at: start + page, byteCount: page, [])
      #expect(fixture.tableCount == tables + 1)
      #expect(fixture.meaning(of: start + page).allowed == [])
      #expect(fixture.meaning(of: start + 2 * page).allowed == .write)
      try space.unmap(at: start + 100 * page, byteCount: 200 * page)
      #expect(fixture.meaning(of: start + 99 * page).isPresent)
      #expect(fixture.meaning(of: start + 100 * page).isUnmapped)
      // As a whole it comes back.
      #expect(fixture.touch(start + 4 << 20) == .resolved)
      try space.discard(at: start + 4 << 20, byteCount: 2 << 20)
      #expect(fixture.meaning(of: start + 4 << 20).isReserved)
      #expect(fixture.touch(start + 4 << 20) == .resolved)
      #expect(fixture.tableCount == tables + 1)
      try fixture.clear()
      #expect(fixture.freeCount == fixture.freeAtStart)
    }

    @Test func smallPagesDoWhereThereAreNoLargeOnes() throws {
      // Of each 2 MiB one frame is taken.
      var taken: [PhysicalAddress] = []
      while let block = try? fixture.frames.pointee.allocate(count: 512, alignment: 2 << 20) {
        fixture.frames.pointee.free(PhysicalAddress(block.rawValue + page), count: 511)
        taken.append(block)
      }
      let start = try space.map(byteCount: 8 << 20, .write)
      #expect(fixture.touch(start) == .resolved)
      #expect(fixture.meaning(of: start + page).isReserved)
      try space.populate(at: start, byteCount: 8 << 20)
      #expect(fixture.meaning(of: start + 8 << 20 - page).isPresent)
      try fixture.clear()
      for block in taken { fixture.frames.pointee.free(block) }
      #expect(fixture.freeCount == fixture.freeAtStart)
    }

    @Test func advice() throws {
      let start = try space.map(byteCount: 8 << 20, .write)
      try space.advise(at: start, byteCount: 2 << 20, .smallPages)
      _ = fixture.touch(start)
      #expect(fixture.meaning(of: start + page).isReserved)
      _ = fixture.touch(start + 2 << 20)
      #expect(fixture.meaning(of: start + 2 << 20 + page).isPresent)
      try space.advise(at: start, byteCount: 4 * page, .willNeed)
      #expect(fixture.meaning(of: start + 3 * page).isPresent)
      #expect(fixture.meaning(of: start + 4 * page).isReserved)
      try space.advise(at: start, byteCount: 8 << 20, .doNotNeed)
      #expect(fixture.meaning(of: start + 3 * page).isReserved)
      // As much as there is, without an error.
      let large = try space.map(byteCount: 1 << 30, .write)
      try space.advise(at: large, byteCount: 1 << 30, .willNeed)
      #expect(fixture.meaning(of: large).isPresent)
      try fixture.clear()
      #expect(fixture.freeCount == fixture.freeAtStart)
    }

    // MARK: Empty tables

    @Test func emptyTablesStayUntilThereAreMany() throws {
      let start = try space.map(byteCount: 44 << 20, .write, options: [.smallPages, .populate])
      let tables = fixture.tableCount
      try space.unmap(at: start, byteCount: 20 << 20)
      #expect(fixture.tableCount == tables)
      try space.unmap(at: start + 20 << 20, byteCount: 20 << 20)
      #expect(fixture.tableCount < tables - 18)
      try fixture.clear()
      #expect(fixture.tableCount == 0)
      #expect(fixture.freeCount == fixture.freeAtStart)
    }
  }
}
