import CMachine

/// The block sizes that small allocations are rounded up to: powers of two, and halfway between
/// from 32 on. All are multiples of 16, which every block is aligned to; a power of two is aligned
/// to itself.
struct SizeClass: Equatable {
  /// 16 times the index: where the magazine of the class is.
  let offset: Int

  /// The largest block that is not whole pages.
  static let largestSize = Int(APUS_LARGEST_BLOCK)
  static let count = Int(APUS_SIZE_CLASS_COUNT)

  /// The smallest class that holds `size` bytes (0...2048). One load from a table.
  @inline(__always)
  init(holding size: Int) {
    offset = Int(truncatingIfNeeded: apus_size_class_offset(UInt64(truncatingIfNeeded: size)))
  }

  @inline(__always)
  init(index: Int) { offset = index &* 16 }

  /// From an offset.
  @inline(__always)
  init(offset: Int) { self.offset = offset }

  /// From 0 on.
  @inline(__always)
  var index: Int { offset &>> 4 }

  /// Bytes in a block.
  @inline(__always)
  var size: Int { Int(truncatingIfNeeded: apus_block_size(UInt64(truncatingIfNeeded: index))) }

  /// Blocks in a page.
  var blocksPerPage: Int { 4096 / size }

  /// Blocks that a magazine holds: a page's worth, so that it takes all blocks of a new page, and
  /// enough of the large ones to be of use.
  var magazineLimit: Int { Swift.max(blocksPerPage, 4) }
}
