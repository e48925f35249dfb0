import Machine

/// A few frames of a CPU for page faults that interrupt the allocator itself: the next page of a stack may
/// be missing when it is about to be used in there.
///
/// Only their CPU touches them. A fault comes between any two instructions, so each place is taken and
/// filled by one.
struct FrameReserve: ~Copyable {
  /// A page, and the tables on the way to it.
  static let capacity = 4

  /// How deep this CPU is in code that holds, or takes, the lock of the buddy system or the claims of other
  /// CPUs' caches: it must not wait for one of those in a fault.
  let depth = Atomic<Int>(0)
  private let first = Atomic<UInt32>(0)
  private let second = Atomic<UInt32>(0)
  private let third = Atomic<UInt32>(0)
  private let fourth = Atomic<UInt32>(0)

  /// Takes a frame.
  @inline(never)
  borrowing func take() -> Int? {
    var frame = first.exchange(0, ordering: .relaxed)
    if frame == 0 { frame = second.exchange(0, ordering: .relaxed) }
    if frame == 0 { frame = third.exchange(0, ordering: .relaxed) }
    if frame == 0 { frame = fourth.exchange(0, ordering: .relaxed) }
    return frame == 0 ? nil : Int(frame)
  }

  /// Keeps a frame; returns whether there was room.
  @inline(never)
  borrowing func put(_ frame: Int) -> Bool {
    let frame = UInt32(truncatingIfNeeded: frame)
    return Self.put(frame, first) || Self.put(frame, second) || Self.put(frame, third)
      || Self.put(frame, fourth)
  }

  private static func put(_ frame: UInt32, _ place: borrowing Atomic<UInt32>) -> Bool {
    place.compareExchange(expected: 0, desired: frame, ordering: .relaxed).exchanged
  }

  /// Whether a place is empty.
  var hasRoom: Bool {
    first.load(ordering: .relaxed) == 0 || second.load(ordering: .relaxed) == 0
      || third.load(ordering: .relaxed) == 0 || fourth.load(ordering: .relaxed) == 0
  }
}

extension FrameCache {
  /// Whether the CPU of this cache, which executes the call, is in the allocator already: in a page fault.
  @inline(__always)
  var isEntered: Bool { isClaimedHere || reserve.depth.load(ordering: .relaxed) != 0 }

  /// Fills the reserve of a CPU that has used it: all that is free has been taken out of the cache.
  mutating func fillReserve(from buddies: inout BuddySystem) {
    while reserve.hasRoom, let frame = buddies.take(order: 0) {
      buddies.table[frame] = .allocated(order: 0)
      _ = reserve.put(frame)
    }
  }

  /// Fills the reserve from the cache, whose claim is held.
  mutating func fillReserve(_ table: FrameTable) {
    while reserve.hasRoom, let frame = singles.pop() {
      table[frame] = .allocated(order: 0)
      _ = reserve.put(frame)
    }
  }
}
