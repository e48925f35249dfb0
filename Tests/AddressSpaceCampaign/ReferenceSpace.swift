import Machine
import VirtualMemory

/// What an address space should be: ranges in a sorted array, and what was written where. Nothing is
/// clever here.
struct ReferenceSpace {
  /// What a range of pages is.
  struct Pages: Equatable {
    var permissions: PagePermissions
    var kind: AreaKind
  }

  /// Where ranges begin; each reaches to the next one.
  private var starts: [UInt64]
  private var states: [Pages?]
  private let limit: UInt64
  /// The words that were written.
  private(set) var words: [UInt64: UInt64] = [:]
  /// What was written to physical addresses.
  private var devices: [UInt64: UInt64] = [:]
  /// Pages that were accessed.
  private(set) var touched: Set<UInt64> = []

  init(from start: UInt64, to limit: UInt64) {
    starts = [start]
    states = [nil]
    self.limit = limit
  }

  private func index(of address: UInt64) -> Int {
    var low = 0
    var high = starts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= address { low = middle } else { high = middle }
    }
    return low
  }

  subscript(address: UInt64) -> Pages? { states[index(of: address)] }

  /// Makes a range begin at `address`.
  private mutating func split(at address: UInt64) -> Int {
    if address >= limit { return starts.count }
    let index = index(of: address)
    if starts[index] == address { return index }
    starts.insert(address, at: index + 1)
    states.insert(states[index], at: index + 1)
    return index + 1
  }

  private mutating func merge() {
    var index = 1
    while index < starts.count {
      if states[index] == states[index - 1] {
        starts.remove(at: index)
        states.remove(at: index)
      } else {
        index += 1
      }
    }
  }

  /// Changes what all pages of a range are.
  mutating func update(from start: UInt64, to end: UInt64, _ body: (Pages?) -> Pages?) {
    let first = split(at: start)
    let last = split(at: end)
    for index in first..<last { states[index] = body(states[index]) }
    merge()
  }

  /// Forgets what was written to a range.
  mutating func clear(from start: UInt64, to end: UInt64) {
    words = words.filter { $0.key < start || $0.key >= end }
    touched = touched.filter { $0 < start || $0 >= end }
  }

  /// The first mapped range that begins in front of `end` and ends behind `start`, all that is mapped in
  /// a row.
  func firstMapped(from start: UInt64, to end: UInt64) -> (start: UInt64, end: UInt64)? {
    var found: (start: UInt64, end: UInt64)?
    for area in areas where area.end > start {
      if let last = found {
        if last.end != area.start { break }
        found = (last.start, area.end)
      } else if area.start < end {
        found = (area.start, area.end)
      }
    }
    return found
  }

  /// The first address of a range that nobody may access.
  func firstNotAccessible(
    from start: UInt64, to end: UInt64
  ) -> (address: UInt64, isMapped: Bool)? {
    var index = index(of: start)
    while index < starts.count, starts[index] < end {
      let pages = states[index]
      if pages.map({ $0.permissions.contains(.inaccessible) }) ?? true {
        return (max(start, starts[index]), pages != nil)
      }
      index += 1
    }
    return nil
  }

  func hasFreeRange(_ byteCount: UInt64, alignment: UInt64) -> Bool {
    for index in starts.indices where states[index] == nil {
      let end = index + 1 < starts.count ? starts[index + 1] : limit
      let start = (starts[index] + alignment - 1) & ~(alignment - 1)
      if start < end, end - start >= byteCount { return true }
    }
    return false
  }

  /// All pages of a range are in memory.
  mutating func touchAll(from start: UInt64, to end: UInt64) {
    for page in stride(from: start, to: end, by: 4096) { touched.insert(page) }
  }

  func isFree(from start: UInt64, to end: UInt64) -> Bool {
    var index = index(of: start)
    while index < starts.count, starts[index] < end {
      if states[index] != nil { return false }
      index += 1
    }
    return true
  }

  func allows(_ access: PageFault.Access, _ address: UInt64) -> Bool {
    guard let pages = self[address], !pages.permissions.contains(.inaccessible) else {
      return false
    }
    return switch access {
    case .read: true
    case .write: pages.permissions.contains(.write)
    case .execute: pages.permissions.contains(.execute)
    }
  }

  mutating func touch(_ address: UInt64) { touched.insert(address & ~4095) }

  mutating func write(_ value: UInt64, to address: UInt64) {
    if case .device(let contents) = self[address]?.kind.backing {
      devices[contents.start + (address - contents.address)] = value
    } else {
      words[address] = value
    }
    touch(address)
  }

  func read(_ address: UInt64) -> UInt64 {
    switch self[address]?.kind.backing {
    case .device(let contents):
      let physical = contents.start + (address - contents.address)
      return devices[physical] ?? LockstepMachine.word(at: physical)
    case .file(let contents):
      if let word = words[address] { return word }
      let offset = address - contents.address
      guard offset < contents.byteCount else { return 0 }
      let word = LockstepMachine.word(at: contents.start + offset)
      let count = min(contents.byteCount - offset, 8)
      return count == 8 ? word : word & (1 << (count * 8) - 1)
    default: return words[address] ?? 0
    }
  }

  /// All areas, as the address space should list them; of the resident bytes only that there are no less.
  var areas: [(start: UInt64, end: UInt64, pages: Pages)] {
    starts.indices.compactMap { index in
      guard let pages = states[index] else { return nil }
      return (starts[index], index + 1 < starts.count ? starts[index + 1] : limit, pages)
    }
  }

  func touchedByteCount(from start: UInt64, to end: UInt64) -> UInt64 {
    UInt64(touched.count { $0 >= start && $0 < end }) * 4096
  }
}
