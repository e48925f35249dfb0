import Machine

/// A stack of blocks of one order, by frame number.
struct FrameStack<let capacity: Int>: ~Copyable {
  // First, since ThreadSanitizer takes a change of the whole for a write to its beginning, and other
  // CPUs read the numbers.
  private var frames = InlineArray<capacity, UInt32>(repeating: 0)
  /// How many blocks there are. Other CPUs add it up without the claim.
  let count = Atomic<Int>(0)
  /// How many blocks were allocated from here, came from the buddy system, and went back there.
  let allocations = Atomic<Int>(0)
  let refilled = Atomic<Int>(0)
  let drained = Atomic<Int>(0)
  @inline(__always)
  mutating func push(_ frame: Int) -> Bool {
    let count = count.load(ordering: .relaxed)
    guard count != capacity else { return false }
    frames[unchecked: count] = UInt32(truncatingIfNeeded: frame)
    self.count.store(count &+ 1, ordering: .relaxed)
    return true
  }

  @inline(__always)
  mutating func pop() -> Int? {
    let count = count.load(ordering: .relaxed)
    guard count != 0 else { return nil }
    self.count.store(count &- 1, ordering: .relaxed)
    return Int(frames[unchecked: count &- 1])
  }

  /// The block that would be popped next.
  var top: Int? {
    let count = count.load(ordering: .relaxed)
    return count == 0 ? nil : Int(frames[count &- 1])
  }

  var isFull: Bool { count.load(ordering: .relaxed) == capacity }

  /// Pushes the 2^`order`-frame pieces of `count` frames from `start` on, the lowest last. There is
  /// room for them.
  @inline(__always)
  mutating func fill(from start: Int, count frameCount: Int, order: Int, _ table: FrameTable) {
    let count = count.load(ordering: .relaxed)
    refilled.add(frameCount &>> order)
    var span = frames.mutableSpan
    let new = span.withUnsafeMutableBufferPointer {
      FrameNumbers(all: $0).fill(
        after: count, from: start, count: frameCount, order: order, table)
    }
    self.count.store(new, ordering: .relaxed)
  }

  /// Gives the `number` blocks that have been here longest to the buddy system. Blocks that came
  /// one after the other and lie in a row go back as one.
  @inline(__always)
  mutating func drain(_ number: Int, order: Int, to buddies: inout BuddySystem) {
    let count = count.load(ordering: .relaxed)
    let number = Swift.min(number, count)
    var span = frames.mutableSpan
    span.withUnsafeMutableBufferPointer {
      FrameNumbers(all: $0).drain(number, of: count, order: order, to: &buddies)
    }
    self.count.store(count &- number, ordering: .relaxed)
    drained.add(number)
  }
}

/// The numbers in a stack, whatever its capacity: the code that goes through many of them is there once.
private struct FrameNumbers {
  /// Those of the stack, for the time of one call.
  let all: UnsafeMutableBufferPointer<UInt32>

  /// Adds the 2^`order`-frame pieces of `count` frames from `start` on to the first `old`; returns how
  /// many there are then.
  @inline(never)
  func fill(after old: Int, from start: Int, count: Int, order: Int, _ table: FrameTable) -> Int {
    var number = old
    var frame = start &+ count
    while frame > start {
      frame &-= 1 &<< order
      table[frame] = FrameRecord(.cached, order: order)
      all[number] = UInt32(truncatingIfNeeded: frame)
      number &+= 1
    }
    return number
  }

  /// Gives the first `number` of `count` to the buddy system, and moves the others to the front.
  @inline(never)
  func drain(_ number: Int, of count: Int, order: Int, to buddies: inout BuddySystem) {
    let size = UInt32(1) &<< UInt32(truncatingIfNeeded: order)
    var index = 0
    while index < number {
      let first = all[index]
      var next = index &+ 1
      var step = UInt32(0)
      if next < number {
        step = all[next] &- first
        if step == size || step == 0 &- size {
          while next < number, all[next] &- all[next &- 1] == step { next &+= 1 }
        }
      }
      let lowest = step == 0 &- size ? all[next &- 1] : first
      buddies.free(
        from: Int(lowest), to: Int(lowest) &+ (next &- index) &<< order, inBlocksOf: order)
      index = next
    }
    index = number
    while index < count {
      all[index &- number] = all[index]
      index &+= 1
    }
  }
}

extension Atomic<Int> {
  /// Adds to a number that only one CPU at a time changes: not one atomic operation.
  @inline(__always)
  func add(_ operand: Int) { store(load(ordering: .relaxed) &+ operand, ordering: .relaxed) }
}

/// The free frames that a CPU has for itself.
///
/// Whoever holds the claim may use the stacks: nearly always the CPU itself, for a few
/// instructions; another one only to take all back when memory runs short. A block is in a stack
/// exactly while its record says `cached` and nobody holds the claim.
struct FrameCache: ~Copyable {
  /// How many runs of 16 frames the next refill takes: more each time, fewer after a drain. First, as
  /// in `FrameStack`.
  var appetite = 1
  /// 1 while the CPU itself uses the stacks, 2 while another one does.
  private let claimed = Atomic<UInt32>(0)
  var singles = FrameStack<256>()
  var pairs = FrameStack<32>()
  var fours = FrameStack<16>()
  var eights = FrameStack<8>()
  /// Blocks of 2 MiB.
  var large = FrameStack<4>()
  /// Single frames that are all zeros.
  var zeroed = FrameStack<16>()
  /// 1 if somebody has wanted one of those since they were complete, or since all was taken out of here.
  /// Written with the claim.
  let wantsZeroed = Atomic<UInt32>(0)
  /// Not a part of what is free.
  let reserve = FrameReserve()

  /// Acquire pairs with the release in `release`: the stacks are as the last holder left them.
  /// Under the claim a CPU may take the lock of the buddy system, and nothing else. Only the CPU itself.
  @inline(__always)
  func claim() {
    if !claimIfFree() { waitAndClaim(1) }
  }

  /// The same by any CPU.
  func claimFromAnywhere() { waitAndClaim(2) }

  /// Whether it is the CPU itself that holds the claim.
  @inline(__always)
  var isClaimedHere: Bool { claimed.load(ordering: .relaxed) == 1 }

  /// The same without waiting; returns whether the claim was free.
  @inline(__always)
  func claimIfFree() -> Bool {
    claimed.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
  }

  @inline(__always)
  func release() { claimed.store(0, ordering: .releasing) }

  @inline(never)
  private func waitAndClaim(_ mark: UInt32) {
    // Not an exchange, which would take the mark of the holder away.
    while !claimed.compareExchange(expected: 0, desired: mark, ordering: .acquiring).exchanged {
      while claimed.load(ordering: .relaxed) != 0 { Processor.pause() }
    }
  }

  /// Frames in all stacks. Without the claim the sum may miss what is on its way.
  var frameCount: Int {
    singles.count.load(ordering: .relaxed) + pairs.count.load(ordering: .relaxed) * 2
      + fours.count.load(ordering: .relaxed) * 4 + eights.count.load(ordering: .relaxed) * 8
      + large.count.load(ordering: .relaxed) * 512 + zeroed.count.load(ordering: .relaxed)
  }

  /// The largest order of the small ones, which are refilled from runs.
  static let largestSmallOrder = 3
  /// The order of a 2 MiB block.
  static let largeOrder = 9
  /// Refills come in aligned runs of 2^4 frames, whose records are one cache line: so no other CPU
  /// touches the line while the frames stay with this one.
  static let runOrder = 4
  private static let largestAppetite = 4

  /// Whether blocks of this order are cached.
  @inline(__always)
  static func holds(order: Int) -> Bool { order <= largestSmallOrder || order == largeOrder }

  @inline(__always)
  mutating func push(_ frame: Int, order: Int) -> Bool {
    switch order {
    case 0: singles.push(frame)
    case 1: pairs.push(frame)
    case 2: fours.push(frame)
    case 3: eights.push(frame)
    default: large.push(frame)
    }
  }

  /// Takes a block, and counts it as allocated.
  @inline(__always)
  mutating func pop(order: Int) -> Int? {
    switch order {
    case 0: Self.take(&singles)
    case 1: Self.take(&pairs)
    case 2: Self.take(&fours)
    case 3: Self.take(&eights)
    default: Self.take(&large)
    }
  }

  @inline(__always)
  private static func take<let capacity: Int>(_ stack: inout FrameStack<capacity>) -> Int? {
    let frame = stack.pop()
    if frame != nil { stack.allocations.add(1) }
    return frame
  }

  // MARK: Zeroed frames

  /// The frame that is zeroed next; none when there are enough that are.
  var frameToZero: Int? {
    if wantsZeroed.load(ordering: .relaxed) == 0 { return nil }
    guard !zeroed.isFull, let frame = singles.top else {
      wantsZeroed.store(0, ordering: .relaxed)
      return nil
    }
    return frame
  }

  /// Puts that frame among those that are zero.
  mutating func keepZeroed(_ frame: Int) {
    _ = pop(order: 0)
    _ = zeroed.push(frame)
    zeroed.refilled.add(1)
  }

  // MARK: With the lock of the buddy system

  /// Fetches a batch of blocks of an order that is cached, if there is one.
  mutating func refill(order: Int, from buddies: inout BuddySystem) {
    if order == Self.largeOrder {
      if let start = buddies.take(order: order) {
        cache(start, order: order, as: order, buddies.table)
      }
      return
    }
    var runs = 0
    var starts = InlineArray<4, Int>(repeating: 0)
    while runs < appetite, let start = buddies.take(order: Self.runOrder) {
      starts[runs] = start
      runs += 1
    }
    // The first one last: it is handed out first, so frames that are taken in turn lie in a row, as far as
    // there are rows.
    var index = runs
    while index > 0 {
      index -= 1
      cache(starts[index], order: Self.runOrder, as: order, buddies.table)
    }
    if runs > 0 {
      appetite = Swift.min(appetite * 2, Self.largestAppetite)
      return
    }
    // Only smaller blocks are left, somebody else may have the frames around them.
    appetite = 1
    var missing = 1 << Self.runOrder
    while missing > 0, let (start, found) = buddies.takeLargest(below: Self.runOrder) {
      guard found >= order else {
        buddies.free(start, order: found)
        return
      }
      cache(start, order: found, as: order, buddies.table)
      missing -= 1 << found
    }
  }

  /// Pushes a block in pieces. There is room: refills come when a stack is empty.
  private mutating func cache(_ start: Int, order: Int, as smaller: Int, _ table: FrameTable) {
    let count = 1 &<< order
    switch smaller {
    case 0: singles.fill(from: start, count: count, order: 0, table)
    case 1: pairs.fill(from: start, count: count, order: 1, table)
    case 2: fours.fill(from: start, count: count, order: 2, table)
    case 3: eights.fill(from: start, count: count, order: 3, table)
    default: large.fill(from: start, count: count, order: Self.largeOrder, table)
    }
  }

  /// Gives back the older half of a full stack, so that a CPU that frees and one that allocates
  /// meet the lock once for many blocks.
  mutating func drainHalf(order: Int, to buddies: inout BuddySystem) {
    appetite = 1
    switch order {
    case 0: singles.drain(128, order: 0, to: &buddies)
    case 1: pairs.drain(16, order: 1, to: &buddies)
    case 2: fours.drain(8, order: 2, to: &buddies)
    case 3: eights.drain(4, order: 3, to: &buddies)
    default: large.drain(2, order: Self.largeOrder, to: &buddies)
    }
  }

  /// Gives everything back.
  mutating func drainAll(to buddies: inout BuddySystem) {
    appetite = 1
    singles.drain(.max, order: 0, to: &buddies)
    pairs.drain(.max, order: 1, to: &buddies)
    fours.drain(.max, order: 2, to: &buddies)
    eights.drain(.max, order: 3, to: &buddies)
    large.drain(.max, order: Self.largeOrder, to: &buddies)
    zeroed.drain(.max, order: 0, to: &buddies)
    // What an idle CPU would zero now others might have to take back again.
    wantsZeroed.store(0, ordering: .relaxed)
  }
}
