import Machine
import PhysicalMemory
import VirtualMemory

/// Blocks of more than 1 MiB: ranges of the application's address space, of which all pages are got when the
/// block is, so that a lack of memory is found then. They need no frames in a row, and give all back when
/// they are freed; the addresses of some are kept for the next blocks.
struct LargeBlock {
  /// What is larger comes from the address space.
  static let threshold = 1 << 20

  /// In front of each block.
  private struct Header {
    var start: UInt64
    var byteCount: UInt64
    var mark: UInt64
  }
  private static let headerByteCount: UInt64 = 64

  /// A range of whole pages, taken from the address space.
  struct Range {
    var start: UInt64 = 0
    var byteCount: UInt64 = 0
  }

  private let header: UnsafeMutablePointer<Header>

  private var pointer: UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(header) + Int(Self.headerByteCount)
  }

  /// The block at an address; `nil` if it is not in the application's address space.
  @inline(__always)
  init?(at pointer: UnsafeRawPointer) {
    let address = UInt64(UInt(bitPattern: pointer))
    guard address >= AddressSpace.lowestAddress, address < AddressSpace.addressLimit else {
      return nil
    }
    let header = UnsafeMutableRawPointer(mutating: pointer) - Int(Self.headerByteCount)
    guard address & 63 == 0, header.load(fromByteOffset: 16, as: UInt64.self) == Self.mark(address)
    else { fatalError() }
    self.header = header.assumingMemoryBound(to: Header.self)
  }

  private static func mark(_ address: UInt64) -> UInt64 { address ^ 0x4C61_7267_6542_6C6B }

  /// The range that a block needs.
  struct Need {
    /// Where in it the block begins: behind the header.
    let offset: UInt64
    let byteCount: UInt64
    /// What its start is a multiple of.
    let alignment: UInt64

    /// For a block of `byteCount` bytes at a multiple of `alignment`.
    init?(byteCount: Int, alignment: Int) {
      offset = Swift.max(UInt64(alignment), headerByteCount)
      let (sum, overflow) = UInt64(byteCount).addingReportingOverflow(offset &+ 4095)
      guard !overflow, sum < 1 << 46 else { return nil }
      self.byteCount = sum & ~4095
      self.alignment = Swift.max(UInt64(alignment), 4096)
    }
  }

  /// Takes a block, in a range that was kept if there is one; `nil` when there is not enough memory.
  static func allocate(_ need: Need, in kept: Range?) -> UnsafeMutableRawPointer? {
    var range = kept ?? Range()
    let offset = need.offset
    // What lies between the start and the header is for the alignment, and never touched.
    let first = (offset &- headerByteCount) & ~4095
    do throws(AddressSpaceError) {
      if range.byteCount == 0 {
        range.start = try AddressSpace.shared.map(
          byteCount: need.byteCount, alignment: need.alignment, .write, as: kind)
        range.byteCount = need.byteCount
      }
      try AddressSpace.shared.populate(
        at: range.start &+ first, byteCount: range.byteCount &- first)
    } catch {
      if range.byteCount != 0 { release(range) }
      return nil
    }
    let address = range.start &+ offset
    let header = UnsafeMutablePointer<Header>(bitPattern: UInt(address &- headerByteCount))
    header.unsafelyUnwrapped.initialize(
      to: Header(start: range.start, byteCount: range.byteCount, mark: mark(address)))
    return UnsafeMutableRawPointer(bitPattern: UInt(address))
  }

  private static var kind: AreaKind { AreaKind(.anonymous, named: "heap") }

  /// Bytes that may be used.
  var byteCount: Int {
    let end = header.pointee.start &+ header.pointee.byteCount
    return Int(truncatingIfNeeded: end) - Int(bitPattern: pointer)
  }

  /// Makes the block larger or smaller where it is; returns whether that was possible.
  func resize(to byteCount: Int) -> Bool {
    let start = header.pointee.start
    let end = start &+ header.pointee.byteCount
    let address = UInt64(UInt(bitPattern: pointer))
    let (sum, overflow) = address.addingReportingOverflow(UInt64(byteCount) &+ 4095)
    guard !overflow, byteCount > Self.threshold else { return false }
    let newEnd = sum & ~4095
    do throws(AddressSpaceError) {
      if newEnd < end {
        try AddressSpace.shared.unmap(at: newEnd, byteCount: end &- newEnd)
      } else if newEnd > end {
        try AddressSpace.shared.map(
          at: end, byteCount: newEnd &- end, .write, as: Self.kind, options: .populate)
      }
    } catch {
      // Something else is there, or there is no memory.
      return false
    }
    header.pointee.byteCount = newEnd &- start
    return true
  }

  /// Gives the memory back. The addresses stay, without pages, if `keep` takes them.
  func free(_ keep: (Range) -> Bool) {
    let range = Range(start: header.pointee.start, byteCount: header.pointee.byteCount)
    header.pointee.mark = 0
    do throws(AddressSpaceError) {
      try AddressSpace.shared.discard(at: range.start, byteCount: range.byteCount)
    } catch {
      return Self.release(range)
    }
    if !keep(range) { Self.release(range) }
  }

  /// Gives addresses back.
  static func release(_ range: Range) {
    do throws(AddressSpaceError) {
      try AddressSpace.shared.unmap(at: range.start, byteCount: range.byteCount)
    } catch {
      fatalError()
    }
  }
}

/// Ranges of freed blocks, which have no pages, of one CPU.
struct KeptRanges {
  private var ranges = InlineArray<4, LargeBlock.Range>(repeating: LargeBlock.Range())
  private var next = 0

  /// Takes a range that fits: at most a quarter larger than asked for.
  mutating func take(_ need: LargeBlock.Need) -> LargeBlock.Range? {
    for index in 0..<4 {
      let range = ranges[index]
      if range.byteCount >= need.byteCount, range.byteCount &- need.byteCount <= need.byteCount / 4,
        range.start & (need.alignment &- 1) == 0
      {
        ranges[index] = LargeBlock.Range()
        return range
      }
    }
    return nil
  }

  /// Keeps a range; returns the one that had its place.
  mutating func exchange(_ range: LargeBlock.Range) -> LargeBlock.Range {
    let before = ranges[next]
    ranges[next] = range
    next = (next &+ 1) & 3
    return before
  }
}
