import Exploration
import Machine
import PhysicalMemory

@testable import VirtualMemory

/// Operations of three CPUs on ranges of their own, which lie side by side: at first one promise is
/// for all in a table's range, and then one table has all. Each CPU finds what it did itself, whatever its neighbours do.
enum RandomOperationScenarios {
  static var all: [Scenario] {
    [PageTableScheme.shared, .perCPU].flatMap { scheme in
      (1...3).map { seed in scenario(seed: seed)(scheme) }
    }
  }

  private static let page = AddressSpaceScenarios.page
  /// How many pages in a row each CPU has in a table's range, and in how many of these: the first access
  /// to one makes the table.
  private static let rowCount = 2
  private static let tableCount = 4

  private static func scenario(seed: Int) -> @Sendable (PageTableScheme) -> Scenario {
    AddressSpaceScenarios.scenario("neighbours-\(seed)", cpuCount: 3, stepLimit: 60_000) {
      machine, simulation in
      for table in 0..<UInt64(tableCount) {
        let start = AddressSpaceScenarios.base + table * AddressSpaceScenarios.tableSpan
        simulation.check(machine.map(start, UInt64(3 * rowCount)), "no range")
      }
      for cpu in 0..<3 {
        machine.cpu {
          var owner = Owner(
            machine, simulation, start: AddressSpaceScenarios.base + UInt64(cpu * rowCount) * page,
            seed: UInt64(seed * 3 + cpu))
          for _ in 0..<8 { owner.step() }
        }
      }
    }
  }

  /// What a CPU knows of its own pages.
  private struct Owner {
    private enum Page: Equatable {
      case unmapped
      case mapped(PagePermissions, word: UInt64)
    }

    private let machine: AddressSpaceScenarios.Machine
    private let simulation: Simulation
    private let start: UInt64
    private var random: UInt64
    private var pages = [Page](
      repeating: .mapped(.write, word: 0), count: rowCount * tableCount)

    init(
      _ machine: AddressSpaceScenarios.Machine, _ simulation: Simulation, start: UInt64,
      seed: UInt64
    ) {
      self.machine = machine
      self.simulation = simulation
      self.start = start
      random = seed
    }

    private mutating func below(_ bound: Int) -> Int {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(random >> 40) % bound
    }

    private func check(_ isRight: Bool, _ message: String) { simulation.check(isRight, message) }

    private func address(_ index: Int) -> UInt64 {
      start + UInt64(index / rowCount) * AddressSpaceScenarios.tableSpan
        + UInt64(index % rowCount) * page
    }

    mutating func step() {
      let first = below(rowCount * tableCount)
      let range = first..<first + 1 + below(rowCount - first % rowCount)
      let address = address(first)
      let byteCount = UInt64(range.count) * page
      switch below(8) {
      case 0, 1, 2:
        let permissions: PagePermissions = below(4) == 0 ? [] : .write
        do throws(AddressSpaceError) {
          try machine.space.map(at: address, byteCount: byteCount, permissions)
          check(pages[range].allSatisfy { $0 == .unmapped }, "mapped over what was there")
          for index in range { pages[index] = .mapped(permissions, word: 0) }
        } catch {
          switch error {
          case .occupied: check(pages[range].contains { $0 != .unmapped }, "nothing is in the way")
          case .outOfMemory: break
          default: check(false, "refused as \(error)")
          }
        }
      case 3, 4:
        guard (try? machine.space.unmap(at: address, byteCount: byteCount)) != nil else { return }
        for index in range { pages[index] = .unmapped }
      case 5:
        let permissions: PagePermissions = below(2) == 0 ? [] : .write
        guard
          (try? machine.space.protect(at: address, byteCount: byteCount, permissions)) != nil
        else { return }
        for index in range {
          if case .mapped(_, let word) = pages[index] {
            pages[index] = .mapped(permissions, word: word)
          }
        }
      case 6:
        guard (try? machine.space.discard(at: address, byteCount: byteCount)) != nil else { return }
        for index in range {
          if case .mapped(let permissions, _) = pages[index] {
            pages[index] = .mapped(permissions, word: 0)
          }
        }
      default: access(first)
      }
      for index in pages.indices where below(24) == 0 { checkPage(index) }
    }

    private mutating func access(_ index: Int) {
      let address = address(index)
      let value = UInt64(1 + below(1000))
      let isWritten = machine.write(value, to: address)
      switch pages[index] {
      case .mapped(let permissions, _) where permissions.contains(.write):
        // Without a frame it is refused, too.
        if isWritten { pages[index] = .mapped(permissions, word: value) }
      default: check(!isWritten, "a page is written that may not be")
      }
    }

    private func checkPage(_ index: Int) {
      let value = machine.read(address(index))
      switch pages[index] {
      case .unmapped: check(value == nil, "a page is there that was unmapped")
      case .mapped(_, let word):
        check(value == word || value == nil && word == 0, "\(value ?? 0) is read, not \(word)")
      }
    }
  }
}
