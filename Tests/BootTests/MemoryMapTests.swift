import Boot
import TestSupport
import Testing

/// Expects a map's regions to be sorted, disjoint, not empty and merged.
func expectSound(_ map: borrowing MemoryMap, sourceLocation: SourceLocation = #_sourceLocation) {
  for index in 0..<map.count {
    #expect(!map[index].range.isEmpty, sourceLocation: sourceLocation)
    guard index > 0 else { continue }
    let before = map[index - 1]
    #expect(before.range.end <= map[index].range.start, sourceLocation: sourceLocation)
    let touches = before.range.end == map[index].range.start
    #expect(!(touches && before.kind == map[index].kind), sourceLocation: sourceLocation)
  }
}

private func range(_ start: UInt64, _ end: UInt64) -> PhysicalRange {
  PhysicalRange(start: start, end: end)
}

private func usable(_ map: borrowing MemoryMap) -> [PhysicalRange] {
  var ranges: [PhysicalRange] = []
  map.forEachUsable { ranges.append($0) }
  return ranges
}

private func regions(_ map: borrowing MemoryMap) -> [MemoryMap.Region] {
  (0..<map.count).map { map[$0] }
}

@Suite struct MemoryMapTests {
  @Test func sortsAndMerges() throws {
    var map = MemoryMap()
    try map.insert(range(0x3000, 0x4000), as: .usable)
    try map.insert(range(0x1000, 0x2000), as: .usable)
    try map.insert(range(0x2000, 0x3000), as: .usable)
    try map.insert(range(0x9000, 0x9000), as: .reserved)
    #expect(map.count == 1)
    #expect(usable(map) == [range(0x1000, 0x4000)])
    #expect(map.usableByteCount == 0x3000)
    #expect(map.highestUsableEnd == PhysicalAddress(0x4000))
  }

  @Test(arguments: [false, true])
  func restrictiveKindWinsInAnyOrder(reservedFirst: Bool) throws {
    var map = MemoryMap()
    if reservedFirst { try map.insert(range(0x2000, 0x3000), as: .reserved) }
    try map.insert(range(0x1000, 0x5000), as: .usable)
    if !reservedFirst { try map.insert(range(0x2000, 0x3000), as: .reserved) }
    try map.insert(range(0x4800, 0x6000), as: .acpiReclaimable)
    expectSound(map)
    #expect(usable(map) == [range(0x1000, 0x2000), range(0x3000, 0x4800)])
    #expect(map[map.count - 1].range == range(0x4800, 0x6000))
  }

  @Test func oneEntryOverSeveral() throws {
    var map = MemoryMap()
    try map.insert(range(0x1000, 0x2000), as: .usable)
    try map.insert(range(0x3000, 0x4000), as: .bad)
    try map.insert(range(0x5000, 0x6000), as: .usable)
    try map.insert(range(0, 0x7000), as: .reserved)
    #expect(
      regions(map).map(\.range) == [range(0, 0x3000), range(0x3000, 0x4000), range(0x4000, 0x7000)])
    #expect(regions(map).map(\.kind) == [.reserved, .bad, .reserved])
    #expect(map.usableByteCount == 0)
    #expect(map.highestUsableEnd == PhysicalAddress(0))
  }

  @Test func clipsAtTheEndOfTheAddressSpace() throws {
    var fixture = StartInfoFixture()
    fixture.memoryMap = [
      (0xFFFF_FFFF_FFFF_0000, 0xFFFF_FFFF, 1), (0x1000, 0, 2), (0x1000, 0x1000, 1),
    ]
    let info = try StartInfo(at: StartInfoFixture.address, in: fixture.memory)
    let map = try MemoryMap(info, in: fixture.memory)
    #expect(usable(map) == [range(0x1000, 0x2000), range(0xFFFF_FFFF_FFFF_0000, UInt64.max)])
  }

  @Test func reserveCarves() throws {
    var map = MemoryMap()
    try map.insert(range(0x1000, 0x9000), as: .usable)
    try map.insert(range(0x9000, 0xA000), as: .reserved)
    try map.reserve(range(0x2000, 0x3000))
    try map.reserve(range(0x8800, 0xB000))
    try map.reserve(range(0x8000, 0x8000))
    expectSound(map)
    #expect(usable(map) == [range(0x1000, 0x2000), range(0x3000, 0x8800)])
    #expect(regions(map).map(\.kind) == [.usable, .occupied, .usable, .occupied, .reserved])
    #expect(map.highestUsableEnd == PhysicalAddress(0x8800))
  }

  @Test func tooManyRegionsIsAnError() throws {
    var map = MemoryMap()
    for index in 0..<UInt64(MemoryMap.capacity) {
      try map.insert(range(index * 0x2000, index * 0x2000 + 0x1000), as: .usable)
    }
    #expect(throws: MemoryMapError.tooManyRegions) {
      try map.insert(range(0xFFFF_0000, 0xFFFF_1000), as: .usable)
    }
    #expect(throws: MemoryMapError.tooManyRegions) { try map.reserve(range(0x100, 0x200)) }
    #expect(map.usableByteCount == UInt64(MemoryMap.capacity) * 0x1000)
    try map.reserve(range(0, 0x1000))
    #expect(map.usableByteCount == UInt64(MemoryMap.capacity - 1) * 0x1000)
  }

  @Test func noUsableMemoryIsAnError() throws {
    var fixture = StartInfoFixture()
    fixture.memoryMap = [(0, 0x1000, 2)]
    let info = try StartInfo(at: StartInfoFixture.address, in: fixture.memory)
    #expect(throws: MemoryMapError.noUsableMemory) { _ = try MemoryMap(info, in: fixture.memory) }
  }

  /// Random maps over 64 pages agree with one that keeps a kind for every page.
  @Test func agreesWithAModel() throws {
    var generator = SplitMix64(seed: 2)
    for _ in 0..<2000 {
      var map = MemoryMap()
      var model = [MemoryMap.Kind?](repeating: nil, count: 64)
      for _ in 0..<Int.random(in: 1...12, using: &generator) {
        let start = Int.random(in: 0..<64, using: &generator)
        let end = Int.random(in: start...64, using: &generator)
        let kind = MemoryMap.Kind(firmwareType: UInt32.random(in: 1...8, using: &generator))
        let isReservation = Bool.random(using: &generator) && Bool.random(using: &generator)
        let pages = range(UInt64(start) << 12, UInt64(end) << 12)
        if isReservation { try map.reserve(pages) } else { try map.insert(pages, as: kind) }
        for page in start..<end {
          if isReservation {
            if model[page] == .usable { model[page] = .occupied }
          } else {
            model[page] = max(model[page] ?? kind, kind)
          }
        }
      }
      expectSound(map)
      for page in 0..<64 {
        let address = PhysicalAddress(UInt64(page) << 12)
        let found = regions(map).first { $0.range.contains(address) }
        #expect(found?.kind == model[page])
      }
    }
  }
}

@Suite struct PhysicalRangeTests {
  @Test func initialisersAreSafe() {
    #expect(PhysicalRange(start: 5, end: 3).isEmpty)
    #expect(PhysicalRange(start: UInt64.max - 1, byteCount: 10).byteCount == 1)
    #expect(PhysicalRange(start: UInt64.max, byteCount: UInt64.max).isEmpty)
    #expect(range(0x1001, 0x1FFF).roundedToPages == range(0x1000, 0x2000))
    #expect(PhysicalRange(start: UInt64.max - 1, byteCount: 1).roundedToPages.isEmpty)
    #expect(range(1, 5).overlaps(range(4, 9)))
    #expect(!range(1, 5).overlaps(range(5, 9)))
    #expect(!range(1, 5).overlaps(range(3, 3)))
    #expect(range(1, 5).intersection(range(7, 9)).isEmpty)
    #expect(range(1, 5).contains(range(2, 5)))
  }

  @Test func addresses() {
    #expect(PhysicalAddress(0x1001).alignedDown() == PhysicalAddress(0x1000))
    #expect(PhysicalAddress(0x1001).alignedUp() == PhysicalAddress(0x2000))
    #expect(PhysicalAddress(0x1000).alignedUp() == PhysicalAddress(0x1000))
    #expect(PhysicalAddress(UInt64.max).alignedUp() == nil)
    #expect(PhysicalAddress(UInt64.max).advanced(by: 1) == nil)
    #expect(PhysicalAddress(0x1000).isPageAligned)
  }
}
