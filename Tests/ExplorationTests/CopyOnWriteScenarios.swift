import Boot
import Exploration
import Machine
import PhysicalMemory

@testable import VirtualMemory

/// `VirtualMemory/AddressSpace+CopyOnWrite.swift` over the simulated memory management units: a file's
/// page, of which a write makes a copy.
enum CopyOnWriteScenarios {
  static var all: [Scenario] {
    [PageTableScheme.shared, .perCPU].flatMap { scheme in
      [copyAndCopy, copyAndRead, copyAndUnmap, copyAndDiscard, copyAndProtect].map { $0(scheme) }
    }
  }

  private static let page = AddressSpaceScenarios.page

  /// Two CPUs write to the page first: there is one copy, which has both words, and a third CPU reads it.
  static let copyAndCopy = AddressSpaceScenarios.scenario("copy-copy", cpuCount: 3) {
    machine, simulation in
    let start = machine.mapFile()
    let word = machine.file.start.rawValue
    for index in 0..<UInt64(2) {
      machine.cpu {
        simulation.check(machine.write(index + 1, to: start + index * 8), "no copy")
        simulation.check(machine.read(start + index * 8) == index + 1, "the own word is gone")
        simulation.check(machine.read(start + 16) == word + 16, "the rest is no copy")
      }
    }
    machine.cpu {
      simulation.check(machine.read(start + 16) == word + 16, "the file's bytes are not there")
    }
    machine.atEnd {
      simulation.check(machine.read(start) == 1, "a word is gone")
      simulation.check(machine.read(start + 8) == 2, "a word is gone")
      machine.checkFile()
    }
  }

  /// Who has seen the copy never sees the file's page again, and what was written before is seen.
  static let copyAndRead = AddressSpaceScenarios.scenario("copy-read", cpuCount: 3) {
    machine, simulation in
    let start = machine.mapFile()
    let word = machine.file.start.rawValue
    var isWritten = false
    machine.cpu {
      simulation.check(machine.write(1, to: start), "no copy")
      isWritten = true
    }
    machine.cpu { simulation.check(machine.write(2, to: start + 8), "no copy") }
    machine.cpu {
      _ = machine.read(start)
      let wasWritten = isWritten
      let first = machine.read(start)
      simulation.check(!wasWritten || first == 1, "what was written is not there")
      let second = machine.read(start)
      simulation.check(first != 1 || second == 1, "what was written is gone again")
    }
    machine.atEnd { machine.checkFile() }
  }

  /// The page goes while it is copied.
  static let copyAndUnmap = AddressSpaceScenarios.scenario("copy-unmap", cpuCount: 2) {
    machine, simulation in
    let start = machine.mapFile()
    let word = machine.file.start.rawValue
    var isUnmapped = false
    machine.cpu {
      _ = machine.read(start)
      machine.unmap(start)
      isUnmapped = true
      let frames = machine.spoilFreeFrames()
      simulation.yieldPoint()
      machine.checkSpoilt(frames)
    }
    machine.cpu {
      for value in 1...2 {
        let wasUnmapped = isUnmapped
        let isWritten = machine.write(UInt64(value), to: start)
        simulation.check(!(wasUnmapped && isWritten), "a page is written that was unmapped")
      }
    }
    machine.atEnd { machine.checkFile() }
  }

  /// A discarded copy is the file's page again.
  static let copyAndDiscard = AddressSpaceScenarios.scenario("copy-discard", cpuCount: 2) {
    machine, simulation in
    let start = machine.mapFile()
    let word = machine.file.start.rawValue
    machine.cpu {
      simulation.check(machine.write(1, to: start), "no copy")
      simulation.check(
        (try? machine.space.discard(at: start, byteCount: page)) != nil, "discard is refused")
      simulation.check(machine.read(start) == word, "the file's bytes are not there again")
    }
    machine.cpu {
      simulation.check(machine.write(2, to: start + 8), "no copy")
      let value = machine.read(start + 8)
      simulation.check(value == 2 || value == word + 8, "\(value ?? 0) is read")
    }
    machine.atEnd { machine.checkFile() }
  }

  /// After a page was made read-only nobody writes to it, copied or not.
  static let copyAndProtect = AddressSpaceScenarios.scenario("copy-protect", cpuCount: 2) {
    machine, simulation in
    let start = machine.mapFile()
    let word = machine.file.start.rawValue
    var isProtected = false
    machine.cpu {
      simulation.check(
        (try? machine.space.protect(at: start, byteCount: page, [])) != nil, "protect is refused")
      isProtected = true
      let value = machine.read(start)
      simulation.yieldPoint()
      simulation.check(machine.read(start) == value, "a page changes that nobody may write")
    }
    machine.cpu {
      for value in 1...2 {
        let wasProtected = isProtected
        let isWritten = machine.write(UInt64(value), to: start)
        simulation.check(!(wasProtected && isWritten), "a page is written that is read-only")
      }
    }
    machine.atEnd { machine.checkFile() }
  }
}
