/// What a CPU does in a cell of the matrix. `ConflictMatrix` of the host has the same names in the same
/// order.
enum MatrixOperation: Int, CaseIterable {
  case fault, map, unmap, protect, query
  case frameAllocate, frameFree, heapAllocate, heapFree
  case spawn, wake, timerSet, timerCancel, lock

  var name: StaticString {
    switch self {
    case .fault: "fault"
    case .map: "map"
    case .unmap: "unmap"
    case .protect: "protect"
    case .query: "query"
    case .frameAllocate: "frame-allocate"
    case .frameFree: "frame-free"
    case .heapAllocate: "heap-allocate"
    case .heapFree: "heap-free"
    case .spawn: "spawn"
    case .wake: "wake"
    case .timerSet: "timer-set"
    case .timerCancel: "timer-cancel"
    case .lock: "lock"
    }
  }

  /// Whether it is done to pages.
  var isOfPages: Bool { rawValue <= Self.query.rawValue }
  /// Whether it makes threads run.
  var isOfThreads: Bool { self == .spawn || self == .wake }
}

/// What the operations of a cell are done to.
enum MatrixArguments: Int, CaseIterable {
  /// Each CPU has what is its own: ranges where it maps by itself, its own threads, timers, locks.
  case apart
  /// Blocks of 32 KiB in one 2 MiB part of the address space, so in one page table: each CPU its own.
  case near
  /// All CPUs have the same: pages, the CPU where threads run, the lock.
  case equal

  var name: StaticString {
    switch self {
    case .apart: "apart"
    case .near: "near"
    case .equal: "equal"
    }
  }

  /// Whether there is such a pair of operations. Frames, blocks and timers are of one owner at a time.
  func haveMeaning(for first: MatrixOperation, _ second: MatrixOperation) -> Bool {
    switch self {
    case .apart: true
    case .near: first.isOfPages && second.isOfPages
    case .equal:
      first.isOfPages && second.isOfPages || first.isOfThreads && second.isOfThreads
        || first == .lock && second == .lock
    }
  }
}

/// Whose operations on pages are done.
enum MatrixDesign: Int, CaseIterable {
  case apus
  /// `LockedAreas`, for comparison.
  case lockedAreas

  var name: StaticString {
    switch self {
    case .apus: "apus"
    case .lockedAreas: "locked-areas"
    }
  }

  func has(_ first: MatrixOperation, _ second: MatrixOperation) -> Bool {
    self == .apus || first.isOfPages && second.isOfPages
  }
}

extension StaticString {
  /// Whether it has these characters; equality of strings would need tables of all characters.
  func isEqual(to text: String) -> Bool {
    withUTF8Buffer { text.utf8.elementsEqual($0) }
  }
}
