import Machine

/// Addresses in a row with the same permissions.
struct Area {
  var start: UInt64
  var end: UInt64
  var permissions: PagePermissions
}

/// The areas of `LockedAreas` by their addresses.
struct AreaList {
  private static let capacity = 4096
  private var areas: UnsafeMutablePointer<Area>?
  private var count = 0

  mutating func initialize() {
    if areas == nil { areas = .allocate(capacity: Self.capacity) }
  }

  /// The first area that ends behind an address.
  private func index(endingBehind address: UInt64) -> Int {
    guard let areas else { return 0 }
    var (low, high) = (0, count)
    while low < high {
      let middle = (low &+ high) / 2
      if areas[middle].end <= address { low = middle &+ 1 } else { high = middle }
    }
    return low
  }

  func area(at address: UInt64) -> Area? {
    let index = index(endingBehind: address)
    guard let areas, index < count, areas[index].start <= address else { return nil }
    return areas[index]
  }

  func isFree(from start: UInt64, to end: UInt64) -> Bool {
    let index = index(endingBehind: start)
    guard let areas, index < count else { return true }
    return areas[index].start >= end
  }

  func firstFree(_ byteCount: UInt64, from lowest: UInt64, to limit: UInt64) -> UInt64? {
    guard let areas else { return nil }
    var start = lowest
    for index in 0..<count {
      if areas[index].start >= start + byteCount { break }
      start = Swift.max(start, areas[index].end)
    }
    return start + byteCount <= limit ? start : nil
  }

  /// Adds an area where nothing is; returns whether there was room in the list.
  mutating func insert(_ area: Area) -> Bool {
    guard let areas, count < Self.capacity else { return false }
    let index = index(endingBehind: area.start)
    (areas + (index &+ 1)).moveInitialize(from: areas + index, count: count &- index)
    (areas + index).initialize(to: area)
    count &+= 1
    return true
  }

  /// Divides areas so that no one lies on both sides of an address.
  private mutating func divide(at address: UInt64) -> Bool {
    guard let area = area(at: address), area.start < address, let areas else { return true }
    areas[index(endingBehind: address)].end = address
    return insert(Area(start: address, end: area.end, permissions: area.permissions))
  }

  /// Takes out what lies in a range; returns whether it could be divided.
  mutating func remove(from start: UInt64, to end: UInt64) -> Bool {
    guard divide(at: start), divide(at: end), let areas else { return false }
    let first = index(endingBehind: start)
    var last = first
    while last < count, areas[last].start < end { last &+= 1 }
    (areas + first).moveInitialize(from: areas + last, count: count &- last)
    count &-= last &- first
    return true
  }

  /// Gives what lies in a range other permissions; returns whether it could be divided.
  mutating func protect(
    from start: UInt64, to end: UInt64, _ permissions: PagePermissions
  ) -> Bool {
    guard divide(at: start), divide(at: end), let areas else { return false }
    var index = index(endingBehind: start)
    while index < count, areas[index].start < end {
      areas[index].permissions = permissions
      index &+= 1
    }
    return true
  }
}
