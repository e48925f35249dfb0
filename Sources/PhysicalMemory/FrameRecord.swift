import Machine

/// What a held frame is used for: its holder notes it, so that the page at an address can be told
/// from others by one load.
package enum FrameUse: UInt32, Sendable {
  /// Counted references; the value of the record is their number.
  case counted = 4
  /// A page of the heap that is cut into blocks.
  case slab = 5
  /// The first frame of a large block of the heap.
  case run = 6
  /// A page table.
  case pageTable = 7

  /// The low byte of the record of a single frame.
  @inline(__always)
  package var lowByte: UInt8 { UInt8(truncatingIfNeeded: rawValue) }
}

/// The four bytes that are kept for each frame.
///
///     bit  0...2   kind
///     bit  3...7   order: a block has 2^order frames
///     bit  8...30  a value of the holder's: the count of references, or what the heap keeps
///     bit  31      of blocks in the buddy system: the records behind this one were never written
///
/// All memory is divided into blocks, each aligned to its own size, and the record of a block's
/// first frame describes the block. The records of a block's other frames say `interior`, or have
/// never been written (bit 31 says so), and no code may follow them.
package struct FrameRecord: Equatable {
  package var rawValue: UInt32

  @inline(__always)
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  @inline(__always)
  init(_ kind: Kind, order: Int) {
    rawValue = kind.rawValue | UInt32(truncatingIfNeeded: order) &<< 3
  }

  @inline(__always)
  package init(_ use: FrameUse, order: Int, value: UInt32) {
    rawValue = use.rawValue | UInt32(truncatingIfNeeded: order) &<< 3 | value &<< 8
  }

  /// What a block is when nobody holds it.
  enum Kind: UInt32 {
    /// A frame of a block that begins further down.
    case interior = 0
    /// Not memory, or not given to the allocator.
    case hole = 1
    /// In the buddy system.
    case free = 2
    /// In a CPU's cache.
    case cached = 3
  }

  /// A block that was just handed out: one reference.
  @inline(__always)
  static func allocated(order: Int) -> FrameRecord { FrameRecord(.counted, order: order, value: 1) }

  @inline(__always)
  package var order: Int { Int(truncatingIfNeeded: rawValue &>> 3 & 31) }

  /// The holder's value; of a counted block the references.
  @inline(__always)
  package var value: UInt32 { rawValue &>> 8 & FrameRecord.largestValue }

  /// One of the holder's value, in the record's own bits.
  package static let valueUnit: UInt32 = 1 << 8

  /// The largest value that a holder can note.
  package static let largestValue: UInt32 = 1 << 23 - 1

  @inline(__always)
  func isKind(_ kind: Kind) -> Bool { rawValue & 7 == kind.rawValue }

  @inline(__always)
  package func isUse(_ use: FrameUse) -> Bool { rawValue & 7 == use.rawValue }

  /// Whether somebody holds the block.
  @inline(__always)
  var isHeld: Bool { rawValue & 4 != 0 }

  /// Whether the records of the block's other frames were never written.
  @inline(__always)
  var isUnwritten: Bool { rawValue &>> 31 != 0 }

  @inline(__always)
  func unwritten(_ isUnwritten: Bool) -> FrameRecord {
    FrameRecord(rawValue: rawValue & ~(1 << 31) | (isUnwritten ? 1 << 31 : 0))
  }
}

/// The records of all frames from 0 on.
///
/// A record is read and written with atomic operations, because a CPU that frees looks at it
/// without a lock. Which blocks there are changes only under the buddy system's lock; their kinds
/// change in the caches, too.
struct FrameTable {
  /// Where the records are; 0 before there are any.
  private(set) var address: UInt = 0
  private(set) var frameCount = 0

  @inline(__always)
  init() {}

  @inline(__always)
  init(address: UInt, frameCount: Int) {
    self.address = address
    self.frameCount = frameCount
  }

  /// The record of frame `frame`, which must be below `frameCount`.
  @inline(__always)
  func record(_ frame: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
    UnsafeMutablePointer(bitPattern: address &+ UInt(bitPattern: frame) &* 4).unsafelyUnwrapped
  }

  @inline(__always)
  subscript(frame: Int) -> FrameRecord {
    get { FrameRecord(rawValue: record(frame).pointee.load(ordering: .relaxed)) }
    nonmutating set { record(frame).pointee.store(newValue.rawValue, ordering: .relaxed) }
  }

  /// The block that a frame is in. At most 19 steps, whatever the sizes of the blocks: where the
  /// block at a place ends before the frame, the half of the smallest aligned area around both
  /// begins with a block, too. The lock of the buddy system must be held.
  func block(containing frame: Int) -> (start: Int, record: FrameRecord) {
    var start = frame & ~(1 &<< FrameAllocator.largestOrder &- 1)
    while true {
      let record = self[start]
      let distance = frame ^ start
      if distance &>> record.order == 0 { return (start, record) }
      start |= 1 &<< (Int.bitWidth &- 1 &- distance.leadingZeroBitCount)
    }
  }

  /// Says of all frames of a block but the first that they are inside of one.
  func writeInterior(of start: Int, order: Int) {
    let first = UnsafeMutableRawPointer(record(start + 1))
    first.initializeMemory(as: UInt32.self, repeating: 0, count: 1 << order - 1)
  }
}
