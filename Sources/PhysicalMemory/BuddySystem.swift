import Machine

/// Free memory in blocks of 2^order frames, each aligned to its size. No lock of its own.
///
/// Two free blocks that are the halves of an aligned block are one block at once, so an aligned
/// block of 2^k frames is free exactly when a list of order k or more has it. The lists lead
/// through the free frames themselves: the first word of a block has the numbers of the next and
/// the previous block, 0 for none. Frame 0 is never free. The only block of a list has no such word, so
/// that memory which is never used is never touched: that would cost the VMM a page, perhaps one of 2 MiB.
struct BuddySystem {
  /// The records of all frames.
  private(set) var table = FrameTable()
  /// One list for each order, behind the records. Not in here, because an array would keep a global
  /// allocator from being filled in at compile time.
  private var lists: UnsafeMutablePointer<List>?
  /// Bit k is set when there is a free block of order k.
  private var orders: UInt32 = 0
  /// Frames in all free blocks.
  private(set) var freeCount = 0

  /// The first block of a list, and how many there are.
  struct List {
    var head: UInt32 = 0
    var count: UInt32 = 0
  }

  /// A block's first word.
  private struct Links {
    var next: UInt32
    var previous: UInt32
  }

  /// Bytes that the lists take.
  static let listsByteCount = (FrameAllocator.largestOrder + 1) * MemoryLayout<List>.stride

  // MARK: Beginning

  /// Takes over the table of records: all frames are holes. Writes one record for each GiB.
  mutating func adopt(_ table: FrameTable, lists memory: UnsafeMutableRawPointer) {
    self = BuddySystem()
    self.table = table
    let lists = memory.bindMemory(to: List.self, capacity: FrameAllocator.largestOrder + 1)
    lists.initialize(repeating: List(), count: FrameAllocator.largestOrder + 1)
    self.lists = lists
    var frame = 0
    while frame < table.frameCount {
      let order = Self.largestOrder(at: frame, upTo: table.frameCount)
      table[frame] = FrameRecord(.hole, order: order).unwritten(order > 0)
      frame += 1 << order
    }
  }

  /// Makes holes free memory; returns how many frames that are. What is no hole stays as it is.
  mutating func add(from first: Int, to end: Int) -> Int {
    let before = freeCount
    var frame = Swift.max(first, 1)
    while frame < end {
      let block = table.block(containing: frame)
      guard block.record.isKind(.hole) else {
        frame = block.start + 1 << block.record.order
        continue
      }
      let order = isolate(frame, upTo: end)
      free(frame, order: order)
      frame += 1 << order
    }
    return freeCount - before
  }

  // MARK: Taking and giving back

  /// Takes a block of 2^`order` frames out of the smallest free block that has room. At most 19
  /// steps.
  mutating func take(order: Int) -> Int? {
    let candidates = orders &>> UInt32(truncatingIfNeeded: order)
    guard candidates != 0 else { return nil }
    var found = order &+ candidates.trailingZeroBitCount
    let start = Int(list(found).pointee.head)
    var isUnwritten = table[start].isUnwritten
    unlink(start, order: found)
    while found > order {
      if isUnwritten { isUnwritten = split(unwritten: start, order: found) }
      found &-= 1
      link(start &+ 1 &<< found, order: found, isUnwritten: isUnwritten)
    }
    if isUnwritten { table.writeInterior(of: start, order: order) }
    // With the lock still held: who frees the block's neighbour must not take it for a free one.
    table[start] = .allocated(order: order)
    return start
  }

  /// Takes the largest free block of less than 2^`order` frames: for when there is none of that
  /// order.
  mutating func takeLargest(below order: Int) -> (start: Int, order: Int)? {
    let candidates = orders & (1 &<< UInt32(truncatingIfNeeded: order) &- 1)
    guard candidates != 0 else { return nil }
    let found = UInt32.bitWidth - 1 - candidates.leadingZeroBitCount
    return take(order: found).map { ($0, found) }
  }

  /// Gives a block back, and makes one block of it and its free neighbours. At most 19 steps.
  mutating func free(_ start: Int, order: Int) {
    var start = start
    var order = order
    var isUnwritten = table[start].isUnwritten
    while order < FrameAllocator.largestOrder {
      let buddy = start ^ 1 &<< order
      guard buddy &+ 1 &<< order <= table.frameCount else { break }
      let record = table[buddy]
      guard record.unwritten(false) == FrameRecord(.free, order: order) else { break }
      unlink(buddy, order: order)
      // The upper half's record is inside of the block now.
      table[start | 1 &<< order] = FrameRecord(.interior, order: 0)
      // Written or not, what is behind both halves is read by nobody while the block is free.
      isUnwritten = isUnwritten || record.isUnwritten
      start &= ~(1 &<< order)
      order &+= 1
    }
    link(start, order: order, isUnwritten: isUnwritten)
  }

  /// Gives frames in a row back that are taken blocks of 2^`order` frames each.
  mutating func free(from first: Int, to end: Int, inBlocksOf order: Int) {
    var frame = first
    while frame < end {
      let whole = Self.largestOrder(at: frame, upTo: end)
      if whole > order { table.writeInterior(of: frame, order: whole) }
      free(frame, order: whole)
      frame &+= 1 &<< whole
    }
  }

  /// Cuts a taken block of 2^`order` frames down to its first `count` frames, which become held
  /// blocks, and frees the rest.
  mutating func trim(_ start: Int, order: Int, to count: Int) {
    var start = start
    var order = order
    var count = count
    while count != 1 &<< order {
      order &-= 1
      if count <= 1 &<< order {
        link(start &+ 1 &<< order, order: order, isUnwritten: false)
      } else {
        table[start] = .allocated(order: order)
        start &+= 1 &<< order
        count &-= 1 &<< order
      }
    }
    table[start] = .allocated(order: order)
  }

  /// Takes these frames if all are free; they become held blocks.
  mutating func take(from first: Int, count: Int) -> Bool {
    let end = first + count
    guard first > 0, end <= table.frameCount else { return false }
    var frame = first
    while frame < end {
      let block = table.block(containing: frame)
      guard block.record.isKind(.free) else { return false }
      frame = block.start + 1 << block.record.order
    }
    frame = first
    while frame < end {
      let order = isolate(frame, upTo: end)
      if table[frame].isUnwritten { table.writeInterior(of: frame, order: order) }
      table[frame] = .allocated(order: order)
      frame += 1 << order
    }
    return true
  }

  /// The lowest `count` frames in a row that are free, begin at a multiple of `alignment` frames
  /// and end at or below `limit`. Goes from block to block: linear in their number.
  func firstFit(count: Int, alignment: Int, limit: Int) -> Int? {
    let limit = Swift.min(limit, table.frameCount)
    var runStart = 0
    var frame = 0
    while frame < limit {
      let record = table[frame]
      let end = frame + 1 << record.order
      if record.isKind(.free) {
        let start = (runStart + alignment - 1) & ~(alignment - 1)
        guard start <= limit, count <= limit - start else { return nil }
        if start + count <= end { return start }
      } else {
        runStart = end
      }
      frame = end
    }
    return nil
  }

  /// Divides the block around a frame until a block begins with the frame and ends at or below
  /// `end`; returns that block's order. What is cut off keeps its kind. A free block is in no list
  /// afterwards; its record has the order, and whether its interior was never written.
  mutating func isolate(_ frame: Int, upTo end: Int) -> Int {
    let block = table.block(containing: frame)
    var start = block.start
    var order = block.record.order
    var isUnwritten = block.record.isUnwritten
    let isFree = block.record.isKind(.free)
    if isFree { unlink(start, order: order) }
    while start != frame || 1 << order > end - frame {
      if isUnwritten { isUnwritten = split(unwritten: start, order: order) }
      order -= 1
      let upper = start + 1 << order
      let other = frame < upper ? upper : start
      if isFree {
        link(other, order: order, isUnwritten: isUnwritten)
      } else {
        table[other] = block.record.with(order: order).unwritten(isUnwritten)
      }
      if frame >= upper { start = upper }
    }
    table[start] = block.record.with(order: order).unwritten(isUnwritten)
    return order
  }

  /// Prepares a block whose interior was never written for being halved: returns whether that is
  /// so of the halves, too. A page of records is written once it has blocks below its own size.
  private func split(unwritten start: Int, order: Int) -> Bool {
    if order > Self.recordPageOrder + 1 { return true }
    table.writeInterior(of: start, order: order)
    return false
  }

  /// A page of memory has the records of so many frames.
  private static let recordPageOrder = 10

  /// The order of the largest block that can begin at `frame` and ends at or below `end`.
  static func largestOrder(at frame: Int, upTo end: Int) -> Int {
    let room = Int.bitWidth - 1 - (end - frame).leadingZeroBitCount
    return Swift.min(frame.trailingZeroBitCount, room, FrameAllocator.largestOrder)
  }

  // MARK: Lists

  /// The list of an order. Only after `adopt`: before, no order has blocks and there is no frame.
  @inline(__always)
  private func list(_ order: Int) -> UnsafeMutablePointer<List> {
    lists.unsafelyUnwrapped + order
  }

  /// How many free blocks of an order there are.
  func blockCount(order: Int) -> Int { lists.map { Int($0[order].count) } ?? 0 }

  @inline(__always)
  private func links(_ frame: Int) -> UnsafeMutablePointer<Links> {
    // The window maps all memory that was ever given to the allocator.
    PhysicalMemoryWindow.pointer(to: UInt64(frame) &* FrameAllocator.frameSize).unsafelyUnwrapped
      .assumingMemoryBound(to: Links.self)
  }

  private mutating func link(_ frame: Int, order: Int, isUnwritten: Bool) {
    let list = list(order)
    let next = list.pointee.head
    if next != 0 {
      links(frame).pointee = Links(next: next, previous: 0)
      let following = list.pointee.count == 1 ? 0 : links(Int(next)).pointee.next
      links(Int(next)).pointee = Links(
        next: following, previous: UInt32(truncatingIfNeeded: frame))
    }
    list.pointee.head = UInt32(truncatingIfNeeded: frame)
    list.pointee.count &+= 1
    orders |= 1 &<< UInt32(truncatingIfNeeded: order)
    freeCount &+= 1 &<< order
    table[frame] = FrameRecord(.free, order: order).unwritten(isUnwritten)
  }

  private mutating func unlink(_ frame: Int, order: Int) {
    let list = list(order)
    if list.pointee.count == 1 {
      list.pointee.head = 0
      orders &= ~(1 &<< UInt32(truncatingIfNeeded: order))
    } else {
      let links = links(frame).pointee
      if links.previous != 0 {
        self.links(Int(links.previous)).pointee.next = links.next
      } else {
        list.pointee.head = links.next
      }
      if links.next != 0 { self.links(Int(links.next)).pointee.previous = links.previous }
    }
    list.pointee.count &-= 1
    freeCount &-= 1 &<< order
  }
}

extension FrameRecord {
  /// The same for a block of another size.
  func with(order: Int) -> FrameRecord {
    FrameRecord(rawValue: rawValue & ~(31 << 3) | UInt32(truncatingIfNeeded: order) << 3)
  }
}
