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
  /// Where the arena begins.
  let start: UInt64
  /// Where the arena ends.
  let end: UInt64
  /// How many empty tables this CPU has left behind, about: what another CPU did to them is not known.
  var emptyTableCount = 0

  /// Bytes of an arena.
  static let span = PageTableFormat.span(level: PageTableFormat.rootLevel)

  /// So many empty tables stay for those who map next; of more, all are taken out together.
  private static let emptyTableLimit = 16

  /// The part between two addresses.
  init(from start: UInt64, to end: UInt64) {
    cursor = start
    self.start = start
    self.end = end
  }

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

  /// The one that a CPU uses first. With fewer arenas than CPUs some share one. The last one is nobody's.
  func number(of cpu: Int) -> Int { cpu % Swift.max(count - 1, 1) }

  /// The one for what all CPUs use: so all know its table, and none has to be told of what a CPU does in
  /// its own arena. The only one, if there are no more.
  var common: Int { count - 1 }

  /// The parts of it in which CPUs look first.
  private static let commonPartCount = 64

  /// Where a CPU begins with its own.
  func own(of cpu: Int) -> Arena { Arena(from: start(number(of: cpu)), to: end(number(of: cpu))) }

  /// Where it begins with what all use.
  func commonPart(of cpu: Int) -> Arena {
    if count == 1 { return own(of: cpu) }
    let size = Arena.span / UInt64(Self.commonPartCount)
    let start = start(common) + UInt64(cpu % Self.commonPartCount) * size
    return Arena(from: Swift.min(start, limit), to: Swift.min(start + size, limit))
  }

  func start(_ number: Int) -> UInt64 { lowest + UInt64(number) * Arena.span }

  func end(_ number: Int) -> UInt64 { Swift.min(start(number) + Arena.span, limit) }
}
