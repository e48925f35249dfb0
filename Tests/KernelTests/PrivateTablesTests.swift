import Boot
import Machine
import PerCPU
import PhysicalMemory
import Testing

@testable import VirtualMemory

extension SimulatedMachine {
  /// What CPUs have for themselves: the test's thread plays one after the other.
  // Unchecked: one thread uses it.
  @Suite(.bothSchemes) final class PrivateTablesTests: @unchecked Sendable {
    private let fixture: AddressSpaceFixture
    private let mmu = SimulatedMMU(cpuCount: SimulatedMachine.cpuCount)
    private let storage: UnsafeMutableRawPointer
    private var space: AddressSpace { _read { yield fixture.space } }
    private let page = AddressSpaceFixture.page
    private let window = AddressSpace.localAddresses

    init() throws {
      fixture = try AddressSpaceFixture()
      storage = .allocate(
        byteCount: AddressSpace.byteCount(for: SimulatedMachine.cpuCount), alignment: 128)
      AddressSpace.initializeCPUs(in: storage, count: SimulatedMachine.cpuCount)
      mmu.useOnThisThread()
    }

    deinit {
      SimulatedMMU.useNoneOnThisThread()
      Processor.index = 0
    }

    /// Does what follows as another CPU.
    private func on<Result>(_ cpu: Int, _ body: () throws -> Result) rethrows -> Result {
      let before = Processor.index
      Processor.index = cpu
      defer { Processor.index = before }
      return try body()
    }

    private func write(_ value: UInt64, to address: UInt64) throws {
      while true {
        do throws(SimulatedPageFault) {
          return try mmu.write(value, to: address)
        } catch {
          guard AddressSpace.handleOnThisCPU(PageFault(at: address, .write)) == .resolved else {
            throw error
          }
        }
      }
    }

    private var emptyTableCount: Int {
      space.privateTables.pointer(for: CPU(index: 0)).pointee.emptyCount.load(ordering: .relaxed)
    }

    @Test func oneAddressIsAnotherFrameOnEachCPU() throws {
      let frames = try (0..<2).map { _ in try fixture.frames.pointee.allocateZeroed() }
      for cpu in 0..<2 {
        try on(cpu) {
          try space.activate()
          try space.mapLocal(frames[cpu], at: window + 3 * page, .write)
          try mmu.write(UInt64(cpu) + 1, to: window + 3 * page)
        }
      }
      for cpu in 0..<2 {
        #expect(try on(cpu) { try mmu.read(window + 3 * page) } == UInt64(cpu) + 1)
        #expect(throws: SimulatedPageFault.self) { try on(cpu) { try self.mmu.read(self.window) } }
      }
      // Nobody is told, and the other CPU keeps its own.
      let before = space.shootdownCounts(of: CPU(index: 0))
      _ = try on(0) { try space.unmapLocal(at: window + 3 * page) }
      #expect(throws: SimulatedPageFault.self) { try self.mmu.read(self.window + 3 * self.page) }
      #expect(try on(1) { try mmu.read(window + 3 * page) } == 2)
      #expect(space.shootdownCounts(of: CPU(index: 0)) == before)
      for cpu in 0..<2 {
        on(cpu) {
          space.deactivate()
          space.releaseTables()
        }
        fixture.frames.pointee.free(frames[cpu])
      }
      #expect(fixture.freeCount == fixture.freeAtStart)
    }

    @Test func localAddressesAreChecked() throws {
      let frame = try fixture.frames.pointee.allocate()
      for address in [window - page, window + 1, AddressSpace.lowestAddress] {
        #expect(throws: AddressSpaceError.self) {
          try self.space.mapLocal(frame, at: address, .write)
        }
        #expect(throws: AddressSpaceError.self) { try self.space.unmapLocal(at: address) }
      }
      fixture.frames.pointee.free(frame)
    }

    @Test func aCPUChangesFromOneAddressSpaceToAnother() throws {
      let other = AddressSpace()
      try other.initialize(
        scheme: PageTableSchemes.tested, on: fixture.frames, cpuCount: SimulatedMachine.cpuCount)
      let address = AddressSpaceFixture.lowest + 5 * page
      try space.map(at: address, byteCount: page, .write)
      try other.map(at: address, byteCount: page, .write)
      try space.activate()
      try write(1, to: address)
      try other.activate()
      try write(2, to: address)
      #expect(try mmu.read(address) == 2)
      #expect(space.active.load(ordering: .relaxed) == 0)
      #expect(other.active.load(ordering: .relaxed) == 1)
      try space.activate()
      #expect(try mmu.read(address) == 1)
      try space.unmap(at: address, byteCount: page)
      #expect(throws: SimulatedPageFault.self) { try self.write(3, to: address) }
      try other.activate()
      #expect(try mmu.read(address) == 2)
      other.deactivate()
      #expect(AddressSpace.handleOnThisCPU(PageFault(at: address, .write)) == .unmapped)
      space.releaseTables()
      try fixture.clear()
      other.destroy()
      #expect(fixture.freeCount == fixture.freeAtStart)
    }

    /// What was seen on another stack, by the same thread.
    private final class Seen: @unchecked Sendable {
      var values: [UInt64] = []
      var interruptsWereEnabled = false
    }

    @Test func workInAnotherAddressSpace() throws {
      let other = AddressSpace()
      try other.initialize(
        scheme: PageTableSchemes.tested, on: fixture.frames, cpuCount: SimulatedMachine.cpuCount)
      let address = AddressSpaceFixture.lowest + 5 * page
      try space.map(at: address, byteCount: page, .write)
      _ = try other.map(
        byteCount: 3 * page, .write, as: AreaKind(.anonymous, named: "other"), options: .populate)
      try other.map(at: address, byteCount: page, .write)
      try on(1) { try other.mapLocal(fixture.frames.pointee.allocate(), at: window, .write) }
      try space.activate()
      try write(1, to: address)
      let seen = Seen()
      for round in UInt64(0)..<3 {
        try other.run { [self] in
          seen.values.append((try? mmu.read(address)) ?? .max)
          try? write(round + 10, to: address)
          seen.interruptsWereEnabled = seen.interruptsWereEnabled || Processor.interruptsAreEnabled
        }
        #expect(try mmu.read(address) == 1)
      }
      // The first time there was no page.
      #expect(seen.values == [.max, 10, 11])
      #expect(!seen.interruptsWereEnabled && Processor.interruptsAreEnabled)
      #expect(space.active.load(ordering: .relaxed) == 1)
      #expect(other.active.load(ordering: .relaxed) == 0)
      if let frame = try on(1, { try other.unmapLocal(at: window) }) {
        fixture.frames.pointee.free(frame)
      }
      other.destroy()
      space.deactivate()
      space.releaseTables()
      try fixture.clear()
      #expect(fixture.freeCount == fixture.freeAtStart)
    }

    @Test func localAddressesAreTakenOnce() {
      var ranges: Set<UInt64> = []
      while let start = space.takeLocalRange() { ranges.insert(start) }
      #expect(ranges.count == 64 && ranges.min() == window)
      #expect(
        ranges.max() == AddressSpace.lowestAddress - AddressSpace.localRangeByteCount)
      space.giveBackLocalRange(window)
      #expect(space.takeLocalRange() == window)
      #expect(space.takeLocalRange() == nil)
    }

    /// More tables become empty than are kept.
    @Test func emptyTablesOfACPUAreGivenBack() throws {
      try space.activate()
      let span = PageTableFormat.span(level: 1)
      for number in 0..<UInt64(40) {
        let address = AddressSpaceFixture.lowest + number * span
        try space.map(at: address, byteCount: page, .write)
        try write(number, to: address)
        try space.unmap(at: address, byteCount: page)
      }
      let empty = emptyTableCount
      #expect(empty <= 17)
      #expect(PageTableSchemes.tested == .shared ? empty == 0 : empty > 0)
      space.reclaim()
      #expect(emptyTableCount == 0)
      #expect(fixture.freeCount == fixture.freeAtStart - 1, "the root alone")
      space.deactivate()
      space.releaseTables()
      #expect(fixture.freeCount == fixture.freeAtStart)
    }

    @Test func withoutMemoryForTablesAFaultFails() throws {
      try space.activate()
      let address = AddressSpaceFixture.lowest
      try space.map(at: address, byteCount: page, .write)
      var taken: [PhysicalAddress] = []
      while let frame = try? fixture.frames.pointee.allocate() { taken.append(frame) }
      // Tables of the common tree, a page, and three tables of the CPU's own.
      var outcomes: [PageFault.Outcome] = []
      while true {
        outcomes.append(space.handle(PageFault(at: address, .write)))
        if outcomes.last == .resolved { break }
        for _ in 0..<2 { if let frame = taken.popLast() { fixture.frames.pointee.free(frame) } }
      }
      #expect(outcomes.dropLast().allSatisfy { $0 == .outOfMemory } && outcomes.count > 1)
      try mmu.write(1, to: address)
      for frame in taken { fixture.frames.pointee.free(frame) }
      try space.unmap(at: address, byteCount: page)
      space.reclaim()
      space.deactivate()
      space.releaseTables()
      #expect(fixture.freeCount == fixture.freeAtStart)
    }
  }
}
