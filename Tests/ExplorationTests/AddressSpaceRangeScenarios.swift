import Exploration
import Machine

@testable import VirtualMemory

/// Operations on ranges against each other and against faults: promises for a part, free addresses, empty
/// tables, large pages, and pages got ahead.
extension AddressSpaceScenarios {
  static var ranges: [@Sendable (PageTableScheme) -> Scenario] {
    [
      mapAnywhere, mapBeside, mapBetween, mapAcross, partAndFault, trimAndMap, largePageAndUnmap,
      populateAndUnmap,
    ]
  }

  /// CPUs that look for free addresses in the same place get different ones, and keep what they write.
  static let mapAnywhere = scenario("map-anywhere", cpuCount: 2) { machine, simulation in
    var starts: [UInt64] = []
    machine.both { index in
      let first = machine.mapAnywhere(1)
      simulation.check(machine.write(index + 10, to: first), "what was mapped is not there")
      let second = machine.mapAnywhere(1)
      simulation.check(machine.write(index + 20, to: second), "what was mapped is not there")
      simulation.check(machine.read(first) == index + 10, "a page is another CPU's, too")
      machine.unmap(first)
      let third = machine.mapAnywhere(1)
      simulation.check(machine.read(third) == 0, "a new page is not zero")
      starts += [second, third]
    }
    machine.atEnd {
      simulation.check(Set(starts).count == 4, "of 4 pages some are the same: \(starts)")
    }
  }

  /// Two CPUs map the same page, beside one that is mapped and gets its table meanwhile: one of them is refused.
  static let mapBeside = scenario("map-beside", cpuCount: 2) { machine, simulation in
    simulation.check(machine.map(base, 1), "no range")
    var mapped = 0
    machine.both { index in
      if index == 0 {
        simulation.check(machine.write(1, to: base), "what was mapped is not there")
      }
      if machine.map(base + page, 1) {
        mapped += 1
        simulation.check(machine.write(index + 2, to: base + page), "what was mapped is not there")
      }
    }
    machine.atEnd { simulation.check(mapped == 1, "\(mapped) CPUs have mapped a page") }
  }

  /// A range over two entries ends where another CPU maps a page, after its first part was found free.
  static let mapBetween = scenario("map-between", cpuCount: 2) { machine, simulation in
    simulation.check(machine.map(base + span - 2 * page, 1), "no range")
    machine.mapBetween(base + span - page, base + span)
    machine.atEnd { simulation.check(machine.read(base + span - 2 * page) == 0, "a page is lost") }
  }

  /// The same over several entries of which nothing was used before.
  static let mapAcross = scenario("map-across", cpuCount: 2) { machine, _ in
    machine.mapBetween(base, base + 3 * span)
  }

  private static var span: UInt64 { PageTableFormat.span(level: 1) }

  /// A promise for a part of an entry gets a table from a fault and from two range operations.
  static let partAndFault = scenario("part-fault", cpuCount: 3) { machine, simulation in
    simulation.check(machine.map(base, 4), "no range")
    machine.cpu { simulation.check(machine.write(1, to: base), "no page") }
    machine.cpu {
      simulation.check(
        (try? machine.space.map(at: base + 8 * page, byteCount: 2 * page, [])) != nil,
        "what is free is refused")
      simulation.check(machine.read(base + 9 * page) == 0, "what was mapped is not there")
      simulation.check(
        !machine.write(1, to: base + 9 * page), "a page is written that is read-only")
    }
    machine.cpu {
      machine.unmap(base + 3 * page)
      simulation.check(machine.read(base + 3 * page) == nil, "a page is there that was unmapped")
      simulation.check(machine.read(base + 2 * page) == 0, "a page is gone that was mapped")
    }
    machine.atEnd {
      simulation.check(machine.read(base) == 1, "a page is lost")
      for (index, isMapped) in [
        (1, true), (3, false), (4, false), (7, false), (8, true), (10, false),
      ] {
        simulation.check(
          (machine.read(base + UInt64(index) * page) != nil) == isMapped,
          "page \(index) is \(isMapped ? "not " : "")mapped")
      }
    }
  }

  /// An empty table goes while another CPU maps into it.
  static let trimAndMap = scenario("trim-map", cpuCount: 2) { machine, simulation in
    simulation.check(machine.map(base, 1), "no range")
    machine.cpu {
      _ = machine.write(1, to: base)
      machine.unmap(base)
      machine.space.reclaim()
    }
    machine.cpu {
      simulation.check(machine.map(base + 4 * page), "what is free is refused")
      simulation.check(machine.write(2, to: base + 4 * page), "what was mapped is not there")
      simulation.check(machine.read(base + 4 * page) == 2, "a page is lost")
    }
    machine.atEnd {
      simulation.check(machine.read(base + 4 * page) == 2, "a page is lost")
      simulation.check(machine.read(base) == nil, "a page is there that was unmapped")
    }
  }

  /// A part of a large page is unmapped while others write to all of it.
  static let largePageAndUnmap = scenario(
    "large-page-unmap", cpuCount: 2, stepLimit: 200_000, frameCount: 1200
  ) { machine, simulation in
    simulation.check(
      (try? machine.space.map(at: base, byteCount: tableSpan, .write, options: .largePages)) != nil,
      "no range")
    var isUnmapped = false
    machine.cpu {
      simulation.check(machine.write(1, to: base + 3 * page), "no page")
      machine.unmap(base + page)
      isUnmapped = true
      simulation.yieldPoint()
      simulation.check(machine.read(base + 3 * page) == 1, "the rest of the page is lost")
    }
    machine.cpu {
      for value in 2...3 {
        let wasUnmapped = isUnmapped
        let isWritten = machine.write(UInt64(value), to: base + page)
        simulation.check(!(wasUnmapped && isWritten), "a page is written that was unmapped")
        simulation.check(machine.write(UInt64(value), to: base + 5 * page), "a page is lost")
      }
    }
    machine.atEnd {
      simulation.check(machine.read(base + 5 * page) == 3, "a word is lost")
      simulation.check(machine.read(base + page) == nil, "a page is there that was unmapped")
    }
  }

  /// Pages are got ahead while one of them is unmapped, and another one is touched.
  static let populateAndUnmap = scenario("populate-unmap", cpuCount: 3) { machine, simulation in
    simulation.check(machine.map(base, 4), "no range")
    machine.cpu {
      do throws(AddressSpaceError) {
        try machine.space.populate(at: base, byteCount: 4 * page)
      } catch {
        simulation.check(
          error == .notMapped(address: base + page), "pages cannot be got ahead: \(error)")
      }
    }
    machine.cpu {
      machine.unmap(base + page)
      simulation.check(!machine.write(1, to: base + page), "a page is written that was unmapped")
    }
    machine.cpu {
      simulation.check(machine.write(7, to: base + 2 * page), "no page")
      simulation.check(machine.read(base + 2 * page) == 7, "a page is lost")
    }
    machine.atEnd {
      simulation.check(machine.read(base + page) == nil, "a page is there that was unmapped")
      simulation.check(machine.read(base + 2 * page) == 7, "a page is lost")
    }
  }
}

extension AddressSpaceScenarios.Machine {
  /// Two CPUs that do the same, by their number.
  fileprivate func both(_ body: @escaping (UInt64) -> Void) {
    for index in 0..<UInt64(2) { cpu { body(index) } }
  }

  /// Maps from `start` through the page at `border`, which another CPU maps, too, beside a page that it writes: one
  /// of them is refused as a whole, and what is before the border is free if it is the range.
  fileprivate func mapBetween(_ start: UInt64, _ border: UInt64) {
    let page = AddressSpaceScenarios.page
    check(map(border + page, 1), "no range")
    var mapped: [UInt64] = []
    both { [self] index in
      if index == 0 {
        check(write(1, to: border + page), "what was mapped is not there")
        if map(border, 1) { mapped.append(index) }
      } else if map(start, (border - start) / page + 1) {
        mapped.append(index)
        check(write(2, to: border - page), "what was mapped is not there")
      }
    }
    atEnd { [self] in
      check(mapped.count == 1, "\(mapped.count) CPUs have mapped a page")
      check(read(border) == 0, "what was mapped is not there")
      check(
        (read(border - page) != nil) == (mapped == [1]), "a range that was refused is there in part"
      )
      check(read(border + page) == 1, "a word is lost")
    }
  }

  /// Maps pages wherever there is room.
  fileprivate func mapAnywhere(_ count: UInt64) -> UInt64 {
    do throws(AddressSpaceError) {
      return try space.map(byteCount: count * AddressSpaceScenarios.page, .write)
    } catch {
      check(false, "there is no room: \(error)")
      return 0
    }
  }
}
