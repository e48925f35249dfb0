import Locking
import Machine

/// What is kept for one number of `AreaKinds`, in memory that is zero at first.
///
/// Readers take no lock: a version that is odd while the record is written tells them to look again.
/// What only the lock's holder reads comes last.
struct AreaRecord: ~Copyable {
  /// Bit 0 to 7 the backing, from bit 8 on the version.
  private let head: Atomic<UInt64>
  private let name: Words4
  private let contents: Words3

  // With the lock.

  /// The next number with the same hash, or the next free one; 0 is none.
  var next: UInt16 = 0
  /// Whether a number was asked for while a walk looked for those in use.
  var isRecent = false
  /// Operations that are about to write the number into entries.
  var pinCount: UInt32 = 0

  private struct Words4: ~Copyable {
    let first: Atomic<UInt64>
    let second: Atomic<UInt64>
    let third: Atomic<UInt64>
    let fourth: Atomic<UInt64>
  }

  private struct Words3: ~Copyable {
    let start: Atomic<UInt64>
    let byteCount: Atomic<UInt64>
    let address: Atomic<UInt64>
  }

  private static let versionUnit: UInt64 = 1 << 8

  /// The kind, as some writer left it.
  var kind: AreaKind {
    while true {
      // Acquire pairs with the release at the end of `set`: the words are at least as new.
      let before = head.load(ordering: .acquiring)
      // Acquire pairs with the release in `set`: with a word of a later writer comes its version.
      let name = AreaName(
        AreaName.Words(
          first: self.name.first.load(ordering: .acquiring),
          second: self.name.second.load(ordering: .acquiring),
          third: self.name.third.load(ordering: .acquiring),
          fourth: self.name.fourth.load(ordering: .acquiring)))
      let contents = PhysicalContents(
        start: self.contents.start.load(ordering: .acquiring),
        byteCount: self.contents.byteCount.load(ordering: .acquiring),
        at: self.contents.address.load(ordering: .acquiring))
      if before & Self.versionUnit == 0, head.load(ordering: .relaxed) == before {
        return AreaKind(Self.backing(before, contents), named: name)
      }
      SpinWait.turn()
    }
  }

  /// Changes with the kind. Acquire: what is read afterwards is at least as new.
  var version: UInt64 { head.load(ordering: .acquiring) }

  /// Writes another kind. With the lock; no entry has the number.
  func set(_ kind: AreaKind) {
    let version = head.load(ordering: .relaxed) & ~(Self.versionUnit &- 1) | Self.versionUnit
    head.store(version, ordering: .relaxed)
    // Release: who sees one of the words sees that the version is odd.
    name.first.store(kind.name.words.first, ordering: .releasing)
    name.second.store(kind.name.words.second, ordering: .releasing)
    name.third.store(kind.name.words.third, ordering: .releasing)
    name.fourth.store(kind.name.words.fourth, ordering: .releasing)
    if let contents = kind.backing.contents {
      self.contents.start.store(contents.start, ordering: .releasing)
      self.contents.byteCount.store(contents.byteCount, ordering: .releasing)
      self.contents.address.store(contents.address, ordering: .releasing)
    }
    head.store(version &+ Self.versionUnit | Self.number(of: kind.backing), ordering: .releasing)
  }

  private static func number(of backing: AreaKind.Backing) -> UInt64 {
    switch backing {
    case .anonymous: 0
    case .stack: 1
    case .guard: 2
    case .device: 3
    case .reserved: 4
    case .file: 5
    }
  }

  private static func backing(
    _ head: UInt64, _ contents: PhysicalContents
  ) -> AreaKind.Backing {
    switch head & 0xFF {
    case 1: .stack
    case 2: .guard
    case 3: .device(contents)
    case 4: .reserved
    case 5: .file(contents)
    default: .anonymous
    }
  }

  /// Whether the first access to a page finds something else than zeroes there.
  var hasContents: Bool {
    let backing = head.load(ordering: .acquiring) & 0xFF
    return backing == 3 || backing == 5
  }
}
