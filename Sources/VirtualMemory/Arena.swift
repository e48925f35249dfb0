import Machine

/// Where a CPU looks for free addresses first: what one entry of the root covers, so CPUs that map
/// apart share no table.
///
/// Nothing notes which addresses are free: the page table says it. A cursor tells where to try
/// first; what was unmapped right before it is used again next, with its tables and what is in caches of
/// it. A CPU's own, with preemption off.
struct Arena {
  /// Where the next range is tried.
  var cursor: UInt64
  /// Where the arena ends.
  let end: UInt64
  /// How many empty tables this CPU has left behind, about: what another CPU did to them is not known.
  var emptyTableCount = 0

  /// Bytes of an arena.
  static let span = PageTableFormat.span(level: PageTableFormat.rootLevel)

  /// So many empty tables stay for those who map next; of more, all are taken out together.
  private static let emptyTableLimit = 16

  /// Whether there are more.
  @inline(__always)
  var hasTooManyEmptyTables: Bool { emptyTableCount > Self.emptyTableLimit }
}

/// The arenas of an address space, by number.
struct Arenas {
  let lowest: UInt64
  let limit: UInt64

  @inline(__always)
  init(from lowest: UInt64, to limit: UInt64) {
    self.lowest = lowest
    self.limit = limit
  }

  /// How many there are; the last one may be smaller.
  var count: Int { Int(truncatingIfNeeded: (limit - lowest + Arena.span - 1) / Arena.span) }

  /// The one that a CPU uses first. With fewer arenas than CPUs some share one.
  func number(of cpu: Int) -> Int { cpu % count }

  func start(_ number: Int) -> UInt64 { lowest + UInt64(number) * Arena.span }

  func end(_ number: Int) -> UInt64 { Swift.min(start(number) + Arena.span, limit) }
}
