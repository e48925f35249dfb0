import Machine

/// What a range operation does to each entry of its range.
struct RangeChange {
  enum Kind {
    /// What is unmapped becomes a promise of memory. What is mapped already stays.
    case reserve(PageTableEntry)
    /// Whatever is there becomes a promise of new memory.
    case replace(PageTableEntry)
    /// All becomes unmapped.
    case unmap
    /// What is mapped gets other permissions.
    case protect(PagePermissions)
    /// Pages go, promises stay.
    case drop
  }

  let kind: Kind

  @inline(__always)
  init(_ kind: Kind) { self.kind = kind }

  /// Whether a table that lies in the range as a whole goes with it.
  @inline(__always)
  var removesTables: Bool {
    if case .unmap = kind { true } else { false }
  }

  /// Whether it makes something of what is unmapped.
  @inline(__always)
  var mapsUnmapped: Bool {
    switch kind {
    case .reserve, .replace: true
    case .unmap, .protect, .drop: false
    }
  }

  /// Whether nothing may be mapped in the range before.
  var refusesOccupied: Bool {
    switch kind {
    case .reserve: true
    case .replace, .unmap, .protect, .drop: false
    }
  }

  /// The permissions that are left where pages stay but allow less; `nil` where what CPUs have of them
  /// goes.
  @inline(__always)
  var keptPermissions: PagePermissions? {
    if case .protect(let permissions) = kind, !permissions.contains(.inaccessible) {
      permissions
    } else {
      nil
    }
  }

  /// What an entry becomes that leads to no table; the same entry if it stays.
  @inline(__always)
  func apply(to entry: PageTableEntry, level: Int) -> PageTableEntry {
    switch kind {
    case .reserve(let promise): entry.isUnmapped ? promise : entry
    case .replace(let promise):
      entry.hasFrame ? entry.changing(to: promise) : promise
    case .unmap:
      entry.hasFrame ? entry.changing(to: .empty) : .empty
    case .protect(let permissions):
      if entry.isUnmapped {
        entry
      } else if entry.hasFrame {
        PageTableEntry(
          page: entry.address, permissions, level: level, area: entry.area,
          isForeign: entry.isForeign)
      } else {
        PageTableEntry(reserved: permissions, area: entry.area)
      }
    case .drop:
      entry.hasFrame && !entry.isForeign
        ? entry.changing(to: PageTableEntry(reserved: entry.allowed, area: entry.area)) : entry
    }
  }

  /// Whether a CPU may remember more of `old` than `new` allows.
  @inline(__always)
  static func isLess(_ new: PageTableEntry, than old: PageTableEntry) -> Bool {
    guard old.isPresent else { return false }
    guard new.isPresent, new.address == old.address else { return true }
    let (given, left) = (old.permissions, new.permissions)
    return given.contains(.write) && !left.contains(.write)
      || given.contains(.execute) && !left.contains(.execute)
      || given.contains(.device) != left.contains(.device)
  }
}
