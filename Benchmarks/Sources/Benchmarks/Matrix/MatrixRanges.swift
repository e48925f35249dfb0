import Apus
import Machine
import VirtualMemory

/// The operations on pages: one block of 32 KiB in each round, whose entries are a line of the page table.
enum MatrixRanges {
  private static let blockByteCount: UInt64 = 32 << 10
  private static let span: UInt64 = 2 << 20
  /// Two parts of 2 MiB for `near` and `equal`, in 512 GiB in which no CPU maps by itself.
  private static let near = AddressSpace.lowestAddress + 60 << 39
  private static let equal = near + span
  private static let roundCount = UInt64(Participant.roundCount)

  /// Maps a page at the end of either part and touches it on each CPU, so that there are tables for as
  /// long as the matrix takes; and one in each CPU's own part, which the blocks follow.
  static func prepare() {
    for start in [near, equal] { Areas.map(start + span - 4096, 4096) }
    CPUSet.online.run { _ in
      for start in [near, equal] { Ranges.touch(start + span - 4096, 4096) }
      let own = Ranges.map(4096)
      Ranges.touch(own, 4096)
    }
  }

  /// The block of a round where it is known beforehand.
  @inline(__always)
  private static func block(_ own: Participant, _ round: Int) -> UInt64 {
    switch own.arguments {
    case .apart: own.places[round]
    case .near: near + (UInt64(own.cpu.index) * roundCount + UInt64(round)) * blockByteCount
    case .equal: equal + UInt64(round) * blockByteCount
    }
  }

  @inline(__always)
  static func perform(_ operation: MatrixOperation, _ own: Participant, _ round: Int) {
    // In a CPU's own part the last block first, so that the same addresses are mapped the next time.
    let isBackwards = operation == .unmap && own.arguments == .apart
    let start = block(own, isBackwards ? Participant.roundCount - 1 - round : round)
    if own.design == .lockedAreas {
      performInLockedAreas(operation, own, round, start)
    } else {
      performInAddressSpace(operation, own, round, start)
    }
  }

  private static func performInAddressSpace(
    _ operation: MatrixOperation, _ own: Participant, _ round: Int, _ start: UInt64
  ) {
    switch operation {
    case .fault:
      if own.arguments == .equal {
        // As the trap does it; the access itself would end the program where nothing is mapped.
        _ = AddressSpace.shared.handle(PageFault(at: start, .write))
      } else {
        Ranges.touch(start, 4096)
      }
    case .map:
      if own.arguments == .apart {
        own.places[round] = Ranges.map(blockByteCount)
      } else {
        try? AddressSpace.shared.map(at: start, byteCount: blockByteCount, .write)
      }
    case .unmap: try? AddressSpace.shared.unmap(at: start, byteCount: blockByteCount)
    case .protect: try? AddressSpace.shared.protect(at: start, byteCount: blockByteCount, [])
    default:
      _ = AddressSpace.shared.meaning(of: start)
      _ = AddressSpace.shared.translate(start)
    }
  }

  private static func performInLockedAreas(
    _ operation: MatrixOperation, _ own: Participant, _ round: Int, _ start: UInt64
  ) {
    switch operation {
    case .fault: _ = LockedAreas.shared.handleFault(at: start, isWrite: true)
    case .map:
      if own.arguments == .apart {
        own.places[round] = LockedAreas.shared.map(byteCount: blockByteCount, .write) ?? 0
      } else {
        _ = LockedAreas.shared.map(at: start, byteCount: blockByteCount, .write)
      }
    case .unmap: LockedAreas.shared.unmap(at: start, byteCount: blockByteCount)
    case .protect: LockedAreas.shared.protect(at: start, byteCount: blockByteCount, [])
    default: _ = LockedAreas.shared.permissions(of: start)
    }
  }

  // MARK: Before and after

  /// Maps the blocks and touches their pages, as far as the operations need it. For what is equal both
  /// operations count, and who is first maps and touches: a range is free before `map`, and a page is not there
  /// before `fault`.
  static func prepare(_ own: Participant) {
    let operations =
      own.arguments == .equal ? [own.operation, own.otherOperation] : [own.operation]
    guard own.operation.isOfPages, !operations.contains(.map) else { return }
    mapBlocks(own)
    if !operations.contains(.fault) { touchBlocks(own) }
  }

  private static func mapBlocks(_ own: Participant) {
    for round in 0..<Participant.roundCount {
      switch (own.design, own.arguments) {
      case (.apus, .apart): own.places[round] = Ranges.map(blockByteCount)
      case (.apus, _):
        try? AddressSpace.shared.map(
          at: block(own, round), byteCount: blockByteCount, .write)
      case (.lockedAreas, .apart):
        own.places[round] = LockedAreas.shared.map(byteCount: blockByteCount, .write) ?? 0
      case (.lockedAreas, _):
        _ = LockedAreas.shared.map(at: block(own, round), byteCount: blockByteCount, .write)
      }
    }
  }

  private static func touchBlocks(_ own: Participant) {
    for round in 0..<Participant.roundCount {
      let start = block(own, round)
      if own.design == .lockedAreas {
        _ = LockedAreas.shared.handleFault(at: start, isWrite: true)
      } else {
        _ = AddressSpace.shared.handle(PageFault(at: start, .write))
      }
    }
  }

  /// Unmaps the blocks, the last one first, so that the same addresses are mapped the next time.
  static func finish(_ own: Participant) {
    for round in (0..<Participant.roundCount).reversed() {
      let start = block(own, round)
      if own.design == .lockedAreas {
        LockedAreas.shared.unmap(at: start, byteCount: blockByteCount)
      } else {
        try? AddressSpace.shared.unmap(at: start, byteCount: blockByteCount)
      }
    }
  }
}
