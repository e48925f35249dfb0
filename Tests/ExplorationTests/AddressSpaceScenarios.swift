import Boot
import Exploration
import Locking
import Machine
import PerCPU
import PhysicalMemory

@testable import VirtualMemory

/// `VirtualMemory/AddressSpace.swift` over the simulated memory management units, which keep stale
/// translations: nobody reaches a page that was taken away, nothing is lost, and operations that ended
/// hold for all.
enum AddressSpaceScenarios {
  static var all: [Scenario] {
    // Those over shared tables have names without the scheme.
    PageTableScheme.allCases.flatMap { scheme in (scenarios + ranges).map { $0(scheme) } }
  }

  private static var scenarios: [@Sendable (PageTableScheme) -> Scenario] {
    [
      faultAndFault, faultAndUnmap, faultAndProtect, faultAndDiscard, faultAndTableRemoval,
      mapAndMap,
      splitAndFault, unmapAndUnmap, unmapAndReuse, fillAndDiscard, leaveAndUnmap,
      protectAndUnmap,
    ]
  }

  /// The first address: a range of 2 MiB from here on has a table of its own.
  static let base: UInt64 = 1 << 39
  static let page: UInt64 = 4096
  static let tableSpan = PageTableFormat.span(level: 1)

  /// An address space and the processors that use it.
  final class Machine {
    let space = AddressSpace()
    private let frames = UnsafeMutablePointer<FrameAllocator>.allocate(capacity: 1)
    private let simulation: Simulation
    private let memory: SimulatedMemory
    private let metadata: Storage
    /// Two pages of memory that nobody hands out: a file's.
    let file: PhysicalRange
    private let mmu: SimulatedMMU
    private var freeAtStart = 0

    init(
      _ simulation: Simulation, _ scheme: PageTableScheme, cpuCount: Int, frameCount: Int
    ) {
      self.simulation = simulation
      simulation.startSharedMachine(cpuCount: cpuCount)
      frames.initialize(to: FrameAllocator())
      // Tables with holders have two frames, and each CPU has its own besides.
      let end = UInt64(frameCount + (scheme == .shared ? 0 : 4 + 4 * cpuCount)) * 4096
      file = PhysicalRange(start: end, byteCount: 2 * 4096)
      memory = SimulatedMemory(byteCount: Int(file.end.rawValue))
      metadata = Storage(byteCount: FrameAllocator.metadataByteCount(upTo: end))
      frames.pointee.initialize(upTo: end, metadata: metadata.start)
      frames.pointee.add(PhysicalRange(start: UInt64(4096), end: end))
      mmu = SimulatedMMU(cpuCount: cpuCount)
      mmu.useOnThisThread()
      simulation.check(
        (try? space.initialize(
          from: base, to: base << 1, scheme: scheme, on: frames, cpuCount: cpuCount)) != nil,
        "no memory for an address space")
      // The table of the arena is there for good, and so is the side table of kinds.
      _ = try? space.map(
        at: base, byteCount: page, .write, as: AreaKind(.anonymous, named: "first"))
      unmap(base, 1)
      space.reclaim()
      // Each CPU gives its root back in the end.
      freeAtStart = frames.pointee.freeFrameCount
      for index in 0..<cpuCount { try? space.prepare(for: CPU(index: index)) }
      simulation.keep(self)
    }

    deinit {
      frames.deinitialize(count: 1)
      frames.deallocate()
    }

    /// Adds a CPU that uses the address space.
    func cpu(_ body: @escaping () -> Void) {
      simulation.cpu { [self] in
        use()
        body()
        leave()
      }
    }

    private func use() {
      simulation.check((try? space.activate()) != nil, "no memory for a root")
    }

    private func leave() {
      space.deactivate()
      space.releaseTables()
    }

    /// Adds a check for when all CPUs are through: made by one that uses the address space alone.
    func atEnd(_ body: @escaping () -> Void) {
      simulation.atEnd { [self] in
        simulation.check(mmu.markCount == 0, "an MMU has written to a page table")
        use()
        body()
        leave()
      }
    }

    /// Writes as a program does; `false` where it would be ended.
    func write(_ value: UInt64, to address: UInt64) -> Bool {
      while true {
        do throws(SimulatedPageFault) {
          try mmu.write(value, to: address)
          return true
        } catch {
          guard space.handle(PageFault(at: address, .write)) == .resolved else { return false }
        }
      }
    }

    /// Reads as a program does; `nil` where it would be ended.
    func read(_ address: UInt64) -> UInt64? {
      while true {
        do throws(SimulatedPageFault) {
          return try mmu.read(address)
        } catch {
          guard space.handle(PageFault(at: address, .read)) == .resolved else { return nil }
        }
      }
    }

    func check(_ condition: Bool, _ message: @autoclosure () -> String) {
      simulation.check(condition, message())
    }

    func map(_ start: UInt64, _ count: UInt64 = 1) -> Bool {
      (try? space.map(at: start, byteCount: count * page, .write)) != nil
    }

    func unmap(_ start: UInt64, _ count: UInt64 = 1) {
      simulation.check(
        (try? space.unmap(at: start, byteCount: count * page)) != nil, "unmap is refused")
    }

    /// Maps the file, whose words say where they are; returns the first address.
    func mapFile(_ permissions: PagePermissions = .write) -> UInt64 {
      for address in stride(from: file.start.rawValue, to: file.end.rawValue, by: 8) {
        PhysicalMemoryWindow.pointer(to: address)?.storeBytes(of: address, as: UInt64.self)
      }
      let start = try? space.map(file: file, permissions)
      simulation.check(start != nil, "no memory for a file")
      return start ?? 0
    }

    /// Nobody has written to the file.
    func checkFile() {
      for address in stride(from: file.start.rawValue, to: file.end.rawValue, by: 8) {
        let word = PhysicalMemoryWindow.pointer(to: address)?.load(as: UInt64.self)
        simulation.check(word == address, "a file was written")
      }
    }

    /// Takes all frames and writes to them: who still reaches one by an old translation reads this, and
    /// destroys it by writing.
    func spoilFreeFrames() -> [PhysicalAddress] {
      var taken: [PhysicalAddress] = []
      while let frame = try? frames.pointee.allocate() {
        memory.store(Self.spoilt, at: frame.rawValue)
        taken.append(frame)
      }
      return taken
    }

    func checkSpoilt(_ taken: [PhysicalAddress]) {
      for frame in taken {
        simulation.check(memory.load(at: frame.rawValue) == Self.spoilt, "a free frame was written")
        frames.pointee.free(frame)
      }
    }

    static let spoilt: UInt64 = 0xDEAD_DEAD_DEAD_DEAD

    /// When all is unmapped, the memory is what it was at the start.
    func checkNothingIsLost() {
      atEnd { [self] in
        unmap(base, 512 * 512)
        space.reclaim()
        leave()
        let free = frames.pointee.freeFrameCount
        use()
        simulation.check(
          free == freeAtStart, "\(freeAtStart - free) frames of \(freeAtStart) are lost")
      }
    }
  }

  static func scenario(
    _ name: String, cpuCount: Int, stepLimit: Int = 20_000, frameCount: Int = 24,
    _ body: @escaping @Sendable (Machine, Simulation) -> Void
  ) -> @Sendable (PageTableScheme) -> Scenario {
    { scheme in
      let prefix = scheme == .shared ? "AddressSpace" : "AddressSpace/per-cpu"
      var scenario = Scenario("\(prefix)/\(name)") { simulation in
        let machine = Machine(
          simulation, scheme, cpuCount: cpuCount, frameCount: frameCount)
        body(machine, simulation)
        machine.checkNothingIsLost()
      }
      scenario.stepLimit = stepLimit
      return scenario
    }
  }

  /// All CPUs touch the same page first: they see each other's words in it.
  static let faultAndFault = scenario("fault-fault", cpuCount: 3) { machine, simulation in
    simulation.check(machine.map(base, 512), "no range")
    for index in 0..<UInt64(3) {
      machine.cpu {
        simulation.check(machine.write(index + 1, to: base + index * 8), "no page")
        simulation.check(machine.read(base + index * 8) == index + 1, "the own word is gone")
      }
    }
    machine.atEnd {
      for index in 0..<UInt64(3) {
        simulation.check(machine.read(base + index * 8) == index + 1, "a word is gone")
      }
    }
  }

  /// One CPU unmaps what others write to: when it is through, their writes go nowhere.
  static let faultAndUnmap = scenario("fault-unmap", cpuCount: 2) { machine, simulation in
    simulation.check(machine.map(base, 2), "no range")
    var isUnmapped = false
    machine.cpu {
      _ = machine.write(1, to: base)
      machine.unmap(base)
      isUnmapped = true
      let frames = machine.spoilFreeFrames()
      simulation.yieldPoint()
      machine.checkSpoilt(frames)
    }
    machine.cpu {
      for value in 1...2 {
        let wasUnmapped = isUnmapped
        let isWritten = machine.write(UInt64(value), to: base)
        simulation.check(!(wasUnmapped && isWritten), "a page is written that was unmapped")
      }
    }
  }

  /// After a range was made read-only nobody writes to it.
  static let faultAndProtect = scenario("fault-protect", cpuCount: 2) { machine, simulation in
    simulation.check(machine.map(base, 2), "no range")
    var isProtected = false
    machine.cpu {
      _ = machine.write(1, to: base)
      simulation.check(
        (try? machine.space.protect(at: base, byteCount: page, [])) != nil, "protect is refused")
      isProtected = true
      let value = machine.read(base)
      simulation.yieldPoint()
      simulation.check(machine.read(base) == value, "a page changes that nobody may write")
    }
    machine.cpu {
      for value in 2...3 {
        let wasProtected = isProtected
        let isWritten = machine.write(UInt64(value), to: base)
        simulation.check(!(wasProtected && isWritten), "a page is written that is read-only")
      }
    }
  }

  /// Pages that are discarded come back as zeroes, for all CPUs from the same moment on.
  static let faultAndDiscard = scenario("fault-discard", cpuCount: 2) { machine, simulation in
    simulation.check(machine.map(base, 2), "no range")
    var wasWritten = false
    var isDiscarded = false
    machine.cpu {
      _ = machine.write(1, to: base)
      wasWritten = true
      simulation.check(
        (try? machine.space.discard(at: base, byteCount: page)) != nil, "discard is refused")
      isDiscarded = true
      let frames = machine.spoilFreeFrames()
      simulation.check(machine.read(base) != 1, "the old page is still there")
      simulation.yieldPoint()
      machine.checkSpoilt(frames)
    }
    machine.cpu {
      let (wasWritten, wasDiscarded) = (wasWritten, isDiscarded)
      let first = machine.read(base)
      let second = machine.read(base)
      simulation.check(first != Machine.spoilt && second != Machine.spoilt, "a free page is read")
      // The new page is seen by all from the same moment on; without a frame for it there is none.
      if wasDiscarded || first == 0 && wasWritten {
        simulation.check(second == 0 || second == nil, "an old page is read")
      }
      _ = machine.write(2, to: base + 8)
      simulation.check(machine.read(base + 8) != Machine.spoilt, "a free page is read")
    }
  }

  /// A table goes while another CPU is on its way through it; then the range is mapped again.
  static let faultAndTableRemoval = scenario(
    "fault-remove-table", cpuCount: 2, stepLimit: 200_000
  ) {
    machine, simulation in
    simulation.check(machine.map(base, 512), "no range")
    simulation.check(
      (try? machine.space.protect(at: base + page, byteCount: page, [])) != nil, "no table")
    var isUnmapped = false
    machine.cpu {
      _ = machine.write(1, to: base)
      machine.unmap(base, 512)
      machine.space.reclaim()
      isUnmapped = true
      simulation.yieldPoint()
      isUnmapped = false
      simulation.check(machine.map(base, 512), "the range is not free")
      simulation.check(machine.read(base + page) == 0, "a new page is not zero")
      simulation.check(machine.write(3, to: base + page), "the old permissions are still there")
    }
    machine.cpu {
      for value in 1...2 {
        let wasUnmapped = isUnmapped
        let isWritten = machine.write(UInt64(value), to: base)
        simulation.check(
          !(wasUnmapped && isUnmapped && isWritten), "a page is written that was unmapped")
      }
    }
  }

  /// Of two that overlap, one is mapped.
  static let mapAndMap = scenario("map-map", cpuCount: 2) { machine, simulation in
    var winners = 0
    for index in 0..<UInt64(2) {
      machine.cpu {
        if machine.map(base + index * 2 * page, 4) {
          winners += 1
          simulation.check(
            machine.write(index, to: base + 3 * page), "what was mapped is not there")
        }
      }
    }
    machine.atEnd { simulation.check(winners == 1, "\(winners) of 2 overlapping ranges mapped") }
  }

  /// One promise for two tables' worth is split while pages of it are touched.
  static let splitAndFault = scenario("split-fault", cpuCount: 3) { machine, simulation in
    simulation.check(machine.map(base, 1024), "no range")
    machine.cpu {
      simulation.check(
        (try? machine.space.protect(at: base + page, byteCount: page, [])) != nil, "no table")
      simulation.check(!machine.write(1, to: base + page), "a page is written that is read-only")
    }
    machine.cpu { simulation.check(machine.write(2, to: base), "no page") }
    machine.cpu {
      machine.unmap(base + tableSpan - page, 2)
      simulation.check(machine.read(base + tableSpan) == nil, "a page is there that was unmapped")
      simulation.check(machine.write(3, to: base + tableSpan + page), "no page behind the hole")
    }
    machine.atEnd {
      simulation.check(machine.read(base) == 2, "a page is lost")
      simulation.check(machine.read(base + tableSpan + page) == 3, "a page is lost")
    }
  }

  /// Who finds nothing left to unmap may rely on it as much as who did it.
  static let unmapAndUnmap = scenario("unmap-unmap", cpuCount: 3) { machine, simulation in
    simulation.check(machine.map(base, 2), "no range")
    var isUnmapped = false
    for _ in 0..<2 {
      machine.cpu {
        machine.unmap(base)
        isUnmapped = true
      }
    }
    machine.cpu {
      for value in 1...2 {
        let wasUnmapped = isUnmapped
        let isWritten = machine.write(UInt64(value), to: base)
        simulation.check(!(wasUnmapped && isWritten), "a page is written that was unmapped")
      }
    }
  }

  /// A frame is another page's as soon as all have forgotten it, and not before.
  static let unmapAndReuse = scenario("unmap-reuse", cpuCount: 2) { machine, simulation in
    simulation.check(machine.map(base, 2), "no range")
    machine.cpu {
      _ = machine.write(1, to: base)
      machine.unmap(base)
      // What was freed last is taken next.
      simulation.check(machine.write(7, to: base + page), "no page")
      simulation.check(machine.read(base + page) == 7, "another page's word is here")
    }
    machine.cpu {
      for _ in 0..<2 {
        simulation.check(machine.read(base) != 7, "another page is read")
        _ = machine.write(3, to: base)
      }
    }
  }

  /// A CPU gets its copy of a page while two operations in a row take the page away: the second one knows
  /// of it.
  static let fillAndDiscard = scenario("fill-discard", cpuCount: 3) { machine, simulation in
    simulation.check(machine.map(base, 2), "no range")
    func discard() {
      simulation.check(
        (try? machine.space.discard(at: base, byteCount: page)) != nil, "discard is refused")
    }
    machine.cpu {
      simulation.check(machine.write(1, to: base), "no page")
      discard()
      simulation.check(machine.write(2, to: base), "no page")
      discard()
      simulation.check(machine.write(5, to: base), "no page")
      // The frames that were this page are another's, or nobody's.
      simulation.check(machine.write(7, to: base + page), "no page")
      simulation.check(machine.read(base + page) == 7, "another page's word is here")
    }
    for _ in 0..<2 {
      machine.cpu {
        for _ in 0..<2 { simulation.check(machine.read(base) != 7, "another page is read") }
        _ = machine.write(3, to: base + 8)
        simulation.check(machine.read(base + 8) != 7, "another page is read")
      }
    }
  }

  /// A CPU leaves the address space and comes back while what it has used is taken away.
  static let leaveAndUnmap = scenario("leave-unmap", cpuCount: 2) { machine, simulation in
    simulation.check(machine.map(base, 2), "no range")
    var isUnmapped = false
    machine.cpu {
      _ = machine.write(1, to: base)
      machine.unmap(base)
      isUnmapped = true
      simulation.check(machine.write(7, to: base + page), "no page")
    }
    machine.cpu {
      for _ in 0..<2 {
        simulation.check(machine.read(base) != 7, "another page is read")
        machine.space.deactivate()
        simulation.yieldPoint()
        simulation.check((try? machine.space.activate()) != nil, "no memory for a root")
        let wasUnmapped = isUnmapped
        let value = machine.read(base)
        simulation.check(value != 7, "another page is read")
        simulation.check(!wasUnmapped || value == nil, "a page is read that was unmapped")
      }
    }
  }

  /// A page that may only be read any more is still known to those that have a copy of it, when it goes.
  static let protectAndUnmap = scenario("protect-unmap", cpuCount: 2) { machine, simulation in
    simulation.check(machine.map(base, 2), "no range")
    machine.cpu {
      _ = machine.write(1, to: base)
      simulation.check(
        (try? machine.space.protect(at: base, byteCount: page, [])) != nil, "protect is refused")
      machine.unmap(base)
      simulation.check(machine.write(7, to: base + page), "no page")
    }
    machine.cpu {
      for _ in 0..<3 { simulation.check(machine.read(base) != 7, "another page is read") }
    }
  }
}
