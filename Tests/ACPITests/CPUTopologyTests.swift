import Boot
import TestSupport
import Testing

@testable import ACPI

@Suite struct CPUTopologyTests {
  private func ids(_ topology: CPUTopology, _ memory: FixtureMemory) -> [UInt32] {
    var ids: [UInt32] = []
    topology.forEachProcessor(in: memory) { ids.append($0.rawValue) }
    return ids
  }

  private func isMADT(_ topology: CPUTopology) -> Bool {
    if case .madt = topology.source { return true }
    return false
  }

  private func isMPTable(_ topology: CPUTopology) -> Bool {
    if case .mpTable = topology.source { return true }
    return false
  }

  /// Firecracker: no hint, the root pointer at 0xE0000, an MP table as well.
  private var firecracker: FixtureMemory {
    var memory = FixtureMemory.emptyMachine
    memory.place(Tables.rsdp(xsdt: 0xE0100), at: 0xE0000)
    memory.place(Tables.xsdt([0xE0200, 0xE0300]), at: 0xE0100)
    memory.place(Tables.table("FACP", []), at: 0xE0200)
    memory.place(
      Tables.madt(
        [
          Tables.ioAPIC(0, address: 0xFEC0_0000, base: 0), Tables.localAPIC(0),
          Tables.localAPIC(2), Tables.localAPIC(8),
        ], flags: 0), at: 0xE0300)
    memory.place(Tables.mpFloatingPointer(table: 0x9FC10), at: 0x9FC00)
    memory.place(
      Tables.mpTable([Tables.mpProcessor(0, flags: 3), Tables.mpProcessor(1), Tables.mpIOAPIC(2)]),
      at: 0x9FC10)
    return memory
  }

  @Test func firecrackerWithoutAHint() {
    let memory = firecracker
    let topology = CPUTopology.discover(root: RootTable.locate(rsdpHint: 0, in: memory), in: memory)
    #expect(isMADT(topology))
    #expect(topology.madtFailure == nil && topology.mpTableFailure == nil)
    #expect(ids(topology, memory) == [0, 2, 8])
    #expect(topology.processorCount == 3)
    #expect(!topology.hasLegacyPIC)
    var controllers: [IOAPIC] = []
    topology.forEachIOAPIC(in: memory) { controllers.append($0) }
    #expect(controllers == [IOAPIC(id: 0, address: 0xFEC0_0000, interruptBase: 0)])
  }

  @Test func brokenMADTLeavesTheMPTable() {
    var memory = firecracker
    memory.place([0x55], at: 0xE0310)
    let topology = CPUTopology.discover(root: RootTable.locate(rsdpHint: 0, in: memory), in: memory)
    #expect(isMPTable(topology))
    #expect(topology.madtFailure == .badChecksum(.madt, address: 0xE0300))
    #expect(ids(topology, memory) == [0, 1])
    #expect(topology.hasLegacyPIC)
    var controllers: [IOAPIC] = []
    topology.forEachIOAPIC(in: memory) { controllers.append($0) }
    #expect(controllers == [IOAPIC(id: 2, address: 0xFEC0_0000, interruptBase: 0)])
  }

  @Test func emptyMADTLeavesTheMPTable() {
    var memory = firecracker
    memory.place(Tables.madt([Tables.localAPIC(0, flags: 0)]), at: 0xE0300)
    let topology = CPUTopology.discover(root: RootTable.locate(rsdpHint: 0, in: memory), in: memory)
    #expect(isMPTable(topology))
    #expect(topology.madtFailure == .noProcessors(.madt))
  }

  @Test func rootTableWithoutMADT() {
    var memory = firecracker
    memory.place(Tables.xsdt([0xE0200, 0xE0200]), at: 0xE0100)
    let topology = CPUTopology.discover(root: RootTable.locate(rsdpHint: 0, in: memory), in: memory)
    #expect(isMPTable(topology))
    #expect(topology.madtFailure == .missing(.madt))
  }

  /// Cloud Hypervisor: the hint is 0xA0000, where the scan does not look.
  @Test func cloudHypervisor() {
    var memory = FixtureMemory.emptyMachine
    memory.place(Tables.rsdp(xsdt: 0xA0040), at: 0xA0000)
    memory.place(Tables.xsdt([0xA0100]), at: 0xA0040)
    memory.place(
      Tables.madt(
        (0..<300).map { Tables.x2APIC(UInt32($0) * 2, flags: $0 < 290 ? 1 : 2) }
          + [Tables.interruptOverride(4, to: 4, flags: 0)]), at: 0xA0100)
    let topology = CPUTopology.discover(
      root: RootTable.locate(rsdpHint: 0xA0000, in: memory), in: memory)
    #expect(isMADT(topology))
    #expect(ids(topology, memory) == (0..<290).map { $0 * 2 })
    var overrides: [InterruptSourceOverride] = []
    topology.forEachInterruptSourceOverride(in: memory) { overrides.append($0) }
    #expect(overrides == [InterruptSourceOverride(source: 4, interrupt: 4, flags: 0)])
    let blind = CPUTopology.discover(root: RootTable.locate(rsdpHint: 0, in: memory), in: memory)
    #expect(blind.source == .none)
  }

  /// QEMU's microvm without ACPI: decoys of both signatures in low memory, the MP table at 0x9fc00.
  @Test func microvmWithoutACPI() {
    var memory = FixtureMemory.emptyMachine
    memory.place(Array("RSD PTR ".utf8), at: 0xE4F3)
    memory.place(Array("RSD PTR ".utf8), at: 0xF51A9)
    memory.place(Array("_MP_".utf8), at: 0xF5E40)
    memory.place(Array("_MP_".utf8), at: 0x1234)
    memory.place(Array("_MP_garbage of the firmware".utf8), at: 0x9FC40)
    memory.place(Array("_MP_".utf8), at: 0x9FC05)
    memory.place(Tables.mpFloatingPointer(table: 0x9FD10), at: 0x9FD00)
    memory.place(
      Tables.mpTable((0..<4).map { Tables.mpProcessor(UInt8($0) * 4) }), at: 0x9FD10)
    let topology = CPUTopology.discover(root: RootTable.locate(rsdpHint: 0, in: memory), in: memory)
    #expect(isMPTable(topology))
    #expect(topology.madtFailure == .missing(.rsdp))
    #expect(ids(topology, memory) == [0, 4, 8, 12])
  }

  @Test func nothingAtAll() {
    for memory in [FixtureMemory(), .emptyMachine] {
      let topology = CPUTopology.discover(
        root: RootTable.locate(rsdpHint: 0, in: memory), in: memory)
      #expect(topology.source == .none)
      #expect(topology.madtFailure == .missing(.rsdp))
      #expect(topology.mpTableFailure == .missing(.mpFloatingPointer))
      #expect(topology.processorCount == 0)
      #expect(topology.localAPICAddress == 0xFEE0_0000)
      #expect(ids(topology, memory) == [])
    }
  }

  /// Random changes of all tables at once, pointers included, never crash the discovery.
  @Test func survivesMutations() {
    var generator = SplitMix64(seed: 6)
    let tables: [[UInt8]] = [
      Tables.rsdp(rsdt: 0xE0080, xsdt: 0xE0100), Tables.rsdt([0xE0200]), Tables.xsdt([0xE0200]),
      Tables.madt([Tables.localAPIC(0), Tables.localAPIC(1), Tables.nonMaskableInterrupt]),
    ]
    let addresses: [UInt64] = [0xE0000, 0xE0080, 0xE0100, 0xE0200]
    let checksums = [8, 9, 9, 9]
    var found = 0
    for _ in 0..<20_000 {
      var memory = FixtureMemory()
      for index in tables.indices {
        var bytes = tables[index]
        if Bool.random(using: &generator) {
          let offset = Int.random(in: 0..<bytes.count, using: &generator)
          bytes[offset] = UInt8.random(in: 0...255, using: &generator)
          bytes.fixChecksum(at: checksums[index], count: index == 0 ? 20 : nil)
          if index == 0 { bytes.fixChecksum(at: 32) }
        }
        memory.place(bytes, at: addresses[index])
      }
      let topology = CPUTopology.discover(
        root: RootTable.locate(rsdpHint: 0xE0000, in: memory), in: memory)
      if isMADT(topology) { found += 1 }
      #expect(ids(topology, memory).count == topology.processorCount)
    }
    #expect(found > 1000)
  }
}
