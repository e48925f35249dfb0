import Boot
import TestSupport
import Testing

@Suite struct StartInfoTests {
  /// A start info as QEMU 7.2 gives it to a microvm with 64 MiB, written down byte by byte.
  @Test func readsBytesWrittenByHand() throws {
    let bytes: [UInt8] = [
      0x78, 0xc5, 0x6e, 0x33, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
      0x00,
      0x40, 0x60, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00,
      0x00,
      0xd0, 0x34, 0x0f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x70, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00,
      0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ]
    var memory = FixtureMemory()
    memory.place(bytes, at: 0x6000)
    let info = try StartInfo(at: 0x6000, in: memory)
    #expect(info.version == 1)
    #expect(info.moduleCount == 1)
    #expect(info.moduleListAddress == 0x6040)
    #expect(info.commandLineAddress == 0x20000)
    #expect(info.rsdpAddress == 0xf34d0)
    #expect(info.memoryMapAddress == 0x7000)
    #expect(info.memoryMapEntryCount == 6)
  }

  @Test func readsModulesAndMemoryMap() throws {
    var fixture = StartInfoFixture()
    fixture.version = 3
    fixture.modules = [(0x100_0000, 0x1234), (0x200_0000, 5)]
    fixture.memoryMap = [(0, 0x9fc00, 1), (0x10_0000, 0x3f0_0000, 1), (0xfffc_0000, 0x4_0000, 2)]
    let memory = fixture.memory
    let info = try StartInfo(at: StartInfoFixture.address, in: memory)
    #expect(info.version == 3)
    #expect(
      try info.module(1, in: memory).range == PhysicalRange(start: 0x200_0000, byteCount: 5))
    #expect(try info.memoryMapEntry(2, in: memory).kind == .reserved)
    #expect(throws: StartInfoError.noSuchEntry(.module, index: 2)) {
      try info.module(2, in: memory)
    }
    #expect(throws: StartInfoError.noSuchEntry(.module, index: -1)) {
      try info.module(-1, in: memory)
    }
    #expect(throws: StartInfoError.noSuchEntry(.memoryMapEntry, index: 3)) {
      try info.memoryMapEntry(3, in: memory)
    }
  }

  @Test func refusesVersion0() {
    var fixture = StartInfoFixture()
    fixture.version = 0
    #expect(throws: StartInfoError.noMemoryMapInVersion0) {
      try StartInfo(at: StartInfoFixture.address, in: fixture.memory)
    }
  }

  @Test func refusesBrokenOnes() {
    let address = StartInfoFixture.address
    var fixture = StartInfoFixture()
    #expect(throws: StartInfoError.emptyMemoryMap) {
      try StartInfo(at: address, in: fixture.memory)
    }
    fixture.memoryMapEntryCount = 0xFFFF_FFFF
    #expect(throws: StartInfoError.absurdCount(.memoryMapEntry, count: 0xFFFF_FFFF)) {
      try StartInfo(at: address, in: fixture.memory)
    }
    fixture.moduleCount = 65
    #expect(throws: StartInfoError.absurdCount(.module, count: 65)) {
      try StartInfo(at: address, in: fixture.memory)
    }
    fixture.magic = 0x2BAD_B002
    #expect(throws: StartInfoError.badMagic(0x2BAD_B002, address: address)) {
      try StartInfo(at: address, in: fixture.memory)
    }
    for wild: UInt64 in [0, 0x5FFF, 0x8000_0000, UInt64.max, UInt64.max - 7] {
      #expect(throws: StartInfoError.unreadable(.startInfo, address: wild)) {
        try StartInfo(at: wild, in: FixtureMemory())
      }
    }
  }

  @Test func refusesTruncatedLists() throws {
    var fixture = StartInfoFixture()
    fixture.memoryMap = [(0, 0x1000, 1)]
    fixture.memoryMapEntryCount = 2
    fixture.modules = [(1, 1)]
    fixture.moduleCount = 2
    let memory = fixture.memory
    let info = try StartInfo(at: StartInfoFixture.address, in: memory)
    #expect(throws: StartInfoError.unreadable(.memoryMapEntry, address: 0x7018)) {
      try info.memoryMapEntry(1, in: memory)
    }
    #expect(throws: StartInfoError.unreadable(.module, address: 0x6060)) {
      try info.module(1, in: memory)
    }
    #expect(throws: MemoryMapError.startInfo(.unreadable(.memoryMapEntry, address: 0x7018))) {
      _ = try MemoryMap(info, in: memory)
    }
  }

  @Test func messagesSayWhatIsWrong() {
    #expect(
      StartInfoError.badMagic(0x2BAD_B002, address: 0x6000).description
        == "no PVH start info at 0x6000: the magic number is 0x2badb002; "
        + "start the image with a PVH loader")
    #expect(
      StartInfoError.absurdCount(.module, count: 4_294_967_295).description
        == "the PVH start info claims 4294967295 entries of kind module; "
        + "it is broken, use another monitor")
    #expect(StartInfoError.noMemoryMapInVersion0.description.contains("version 0"))
  }

  /// Random changes of a sound start info end in a value or an error, never in a crash.
  @Test func survivesMutations() {
    var generator = SplitMix64(seed: 1)
    var fixture = StartInfoFixture()
    fixture.modules = [(0x100_0000, 0x1234)]
    fixture.memoryMap = [(0, 0x9fc00, 1), (0x10_0000, 0x3f0_0000, 1), (0xfffc_0000, 0x4_0000, 2)]
    let sound = fixture.memory
    var accepted = 0
    for _ in 0..<20_000 {
      var memory = sound
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let segment = Int.random(in: 0..<3, using: &generator)
        let offset = Int.random(in: 0..<memory.segmentSizes[segment], using: &generator)
        let value = UInt8.random(in: 0...255, using: &generator)
        memory.mutate(segment: segment, offset: offset) { $0 = value }
      }
      guard let info = try? StartInfo(at: StartInfoFixture.address, in: memory) else { continue }
      for index in 0..<info.moduleCount { _ = try? info.module(index, in: memory) }
      info.forEachOccupiedRange { _ = $0.byteCount }
      guard let map = try? MemoryMap(info, in: memory) else { continue }
      accepted += 1
      expectSound(map)
    }
    #expect(accepted > 1000)
  }
}
