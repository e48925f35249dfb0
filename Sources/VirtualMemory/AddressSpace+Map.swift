import Locking
import Machine

/// How memory is mapped.
public struct MapOptions: OptionSet, Sendable {
  public let rawValue: UInt8

  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Gets the pages at once: no access faults, and when there is no memory for all of them, nothing
  /// is mapped.
  public static let populate = MapOptions(rawValue: 1)
  /// Only pages of 4 KiB are used. Otherwise ranges of 4 MiB and more get pages of 2 MiB as long as
  /// there are any.
  public static let smallPages = MapOptions(rawValue: 2)
  /// Pages of 2 MiB are used as long as there are any, also for smaller ranges.
  public static let largePages = MapOptions(rawValue: 4)
  /// The pages may be written and executed. Otherwise that is an error.
  public static let allowsWriteAndExecute = MapOptions(rawValue: 8)
  /// The range is for whatever CPU comes, as a thread's stack. Others lie where, with tables that CPUs
  /// share, only those are told of changes which have used ranges of the CPU that has mapped them.
  public static let forAllCPUs = MapOptions(rawValue: 16)
}

extension AddressSpace {
  /// From this size on, ranges get large pages without being asked.
  private static let largePageThreshold: UInt64 = 4 << 20
  /// From this size on, ranges begin where a table or a large page can, so that one entry promises them:
  /// the table is theirs when pages are touched.
  private static let ownTableThreshold: UInt64 = 512 << 10
  private static let largestAlignment: UInt64 = Arena.span

  // MARK: Anywhere

  /// Promises `byteCount` bytes of memory, whole pages, at addresses that are free; returns the first.
  ///
  /// The first access to a page gets it, zeroed. Nothing is mapped at addresses that are equal in two
  /// calls, on whatever CPUs. Some 250 instructions, no table and no lock of other CPUs, as long as
  /// there is room where this CPU has mapped last.
  ///
  /// - Parameters:
  ///   - alignment: a power of two; the result is a multiple of it.
  ///   - hint: where the range is to be if it is free there, a multiple of the alignment.
  public func map(
    byteCount: UInt64, alignment: UInt64 = 4096, hint: UInt64? = nil,
    _ permissions: PagePermissions, as kind: AreaKind = .anonymous, options: MapOptions = []
  ) throws(AddressSpaceError) -> UInt64 {
    try withNumber(of: kind) { area throws(AddressSpaceError) in
      try map(
        byteCount: byteCount, alignment: alignment, hint: hint, permissions, area: area,
        options: options)
    }
  }

  /// The same for the kind with a number. By itself, so that it is in an image once.
  @inline(never)
  func map(
    byteCount: UInt64, alignment: UInt64, hint: UInt64?, _ permissions: PagePermissions, area: Int,
    options: MapOptions
  ) throws(AddressSpaceError) -> UInt64 {
    guard byteCount & (Self.pageSize &- 1) == 0, byteCount > 0 else {
      throw byteCount == 0 ? .empty : .notPageAligned(start: 0, byteCount: byteCount)
    }
    guard alignment & (alignment &- 1) == 0,
      alignment >= Self.pageSize && alignment <= Self.largestAlignment
    else { throw .badAlignment(alignment) }
    let promise = try promise(permissions, byteCount, options, area)
    let start = try reserve(
      promise, byteCount, alignment, hint, isCommon: options.contains(.forAllCPUs))
    if options.contains(.populate) { try populate(mapped: start, start &+ byteCount) }
    return start
  }

  @inline(__always)
  private func promise(
    _ permissions: PagePermissions, _ byteCount: UInt64, _ options: MapOptions, _ area: Int
  ) throws(AddressSpaceError) -> PageTableEntry {
    try checkPermissions(permissions, options.contains(.allowsWriteAndExecute))
    let prefersLargePages =
      !options.contains(.smallPages)
      && (byteCount >= Self.largePageThreshold || options.contains(.largePages))
    return PageTableEntry(
      reserved: permissions, area: area, prefersLargePages: prefersLargePages)
  }

  @inline(__always)
  func checkPermissions(
    _ permissions: PagePermissions, _ allowsWriteAndExecute: Bool
  ) throws(AddressSpaceError) {
    if permissions.contains(.write) && permissions.contains(.execute) && !allowsWriteAndExecute
      && !permissions.contains(.inaccessible)
    {
      throw .writableAndExecutable
    }
  }

  @inline(__always)
  private func reserve(
    _ promise: PageTableEntry, _ byteCount: UInt64, _ alignment: UInt64, _ hint: UInt64?,
    isCommon: Bool
  ) throws(AddressSpaceError) -> UInt64 {
    if let hint {
      if hint & (alignment &- 1) == 0, let end = try? check(hint, byteCount),
        try take(promise, from: hint, to: end) == nil
      {
        return hint
      }
    }
    let section = Epoch.shared.enter()
    let arena = isCommon ? commonArena : ownArena
    let wished =
      byteCount >= Self.ownTableThreshold
      ? Swift.max(alignment, PageTableFormat.span(level: 1)) : alignment
    let start = (arena.pointee.cursor &+ wished &- 1) & ~(wished &- 1)
    let (end, overflow) = start.addingReportingOverflow(byteCount)
    if !overflow && end <= arena.pointee.end {
      let cover = CoveringTable(from: start, to: end, root: rootTable)
      if let difference = cover.reserveInOneEntry(promise, from: start, to: end) {
        if difference != 0 { ownArena.pointee.emptyTableCount &+= difference }
      } else {
        let refusal = perform(
          RangeChange(.reserve(promise)), from: start, to: end, in: cover)
        if let refusal {
          section.leave()
          guard case .occupied = refusal else { throw refusal }
          return try reserveElsewhere(promise, byteCount, wished, alignment, isCommon)
        }
      }
      arena.pointee.cursor = end
      section.leave()
      return start
    }
    section.leave()
    return try reserveElsewhere(promise, byteCount, wished, alignment, isCommon)
  }

  /// Takes a range if it is free; returns where the obstacle ends if not.
  private func take(
    _ promise: PageTableEntry, from start: UInt64, to end: UInt64
  ) throws(AddressSpaceError) -> UInt64? {
    do throws(AddressSpaceError) {
      try perform(RangeChange(.reserve(promise)), from: start, to: end)
      return nil
    } catch {
      guard case .occupied(let obstacleEnd) = error else { throw error }
      return obstacleEnd
    }
  }

  /// Looks for free addresses with the alignment that is wished for, or else the one that is needed.
  @inline(never)
  private func reserveElsewhere(
    _ promise: PageTableEntry, _ byteCount: UInt64, _ wished: UInt64, _ alignment: UInt64,
    _ isCommon: Bool
  ) throws(AddressSpaceError) -> UInt64 {
    if let start = try search(promise, byteCount, wished, isCommon) { return start }
    if wished > alignment, let start = try search(promise, byteCount, alignment, isCommon) {
      return start
    }
    throw .noAddresses(byteCount: byteCount)
  }

  /// Behind the cursor, in all of this CPU's arena, in the others, and at last across them.
  private func search(
    _ promise: PageTableEntry, _ byteCount: UInt64, _ alignment: UInt64, _ isCommon: Bool
  ) throws(AddressSpaceError) -> UInt64? {
    let (own, cursor) = Processor.withPreemptionDisabled {
      isCommon
        ? (arenas.common, commonArena.pointee.cursor)
        : (arenas.number(of: Processor.index), ownArena.pointee.cursor)
    }
    let count = arenas.count
    for turn in -1...count {
      let number = (own + Swift.max(turn, 0)) % count
      let (start, end) =
        turn == count
        ? (lowest.value, limit.value)
        : (turn < 0 ? cursor : arenas.start(number), arenas.end(number))
      var search = FreeRangeSearch(
        from: start, to: end, byteCount: byteCount, alignment: alignment)
      while true {
        let step = Epoch.shared.read { search.step(in: rootTable) }
        if case .none = step { break }
        guard case .found = step else { continue }
        let found = search.candidate
        if let obstacleEnd = try take(promise, from: found, to: found &+ byteCount) {
          // Another CPU was faster.
          search.pass(to: obstacleEnd)
        } else {
          if turn <= 0 { moveCursor(to: found &+ byteCount, isCommon) }
          return found
        }
      }
    }
    return nil
  }

  private func moveCursor(to address: UInt64, _ isCommon: Bool) {
    Processor.withPreemptionDisabled {
      let arena = isCommon ? commonArena : ownArena
      // The thread may be on another CPU by now.
      if address >= arena.pointee.start && address <= arena.pointee.end {
        arena.pointee.cursor = address
      }
    }
  }

  /// Takes addresses that nobody can access until `protect` allows it, to be used in parts later, or
  /// never: what is left inaccessible around a part guards it.
  public func reserve(
    byteCount: UInt64, alignment: UInt64 = 4096, hint: UInt64? = nil,
    as kind: AreaKind = AreaKind(.reserved), options: MapOptions = []
  ) throws(AddressSpaceError) -> UInt64 {
    try map(
      byteCount: byteCount, alignment: alignment, hint: hint, .inaccessible, as: kind,
      options: options.subtracting(.populate))
  }

  // MARK: At a place

  /// Promises memory at a range of addresses of whole pages: where nothing is, or else in place of what
  /// is there, which is taken away as by `unmap`. To populate in place of something needs the memory of both for
  /// a moment: without it, all stays as it is.
  public func map(
    at start: UInt64, byteCount: UInt64, _ permissions: PagePermissions,
    as kind: AreaKind = .anonymous, replacing: Bool = false, options: MapOptions = []
  ) throws(AddressSpaceError) {
    let end = try check(start, byteCount)
    try withNumber(of: kind) { area throws(AddressSpaceError) in
      let promise = try promise(permissions, byteCount, options, area)
      if replacing && options.contains(.populate) {
        try replaceAndPopulate(promise, from: start, to: end)
      } else {
        try perform(
          RangeChange(replacing ? .replace(promise) : .reserve(promise)), from: start, to: end)
      }
    }
    if options.contains(.populate) && !replacing { try populate(mapped: start, end) }
  }

  // MARK: Away

  /// Takes away all that is mapped in a range. When it returns, no CPU reaches the old pages any more
  /// and they are free.
  public func unmap(at start: UInt64, byteCount: UInt64) throws(AddressSpaceError) {
    let end = try check(start, byteCount)
    let section = Epoch.shared.enter()
    let arena = ownArena
    let cover = CoveringTable(from: start, to: end, root: rootTable)
    if let difference = cover.unmapInOneEntry(from: start, to: end) {
      if difference != 0 { arena.pointee.emptyTableCount &+= difference }
    } else if let refusal = perform(RangeChange(.unmap), from: start, to: end, in: cover) {
      section.leave()
      throw refusal
    }
    // What was mapped last is mapped again next.
    if arena.pointee.cursor == end { arena.pointee.cursor = start }
    let isTrimNeeded = arena.pointee.hasTooManyEmptyTables
    section.leave()
    if isTrimNeeded { trimIfNeeded() }
  }
}
