/// The block sizes that small allocations are rounded up to: powers of two, and halfway between
/// from 32 on. All are multiples of 16, which every block is aligned to.
struct SizeClass: Equatable {
  let index: Int

  /// The largest block that is not whole pages.
  static let largestSize = 2048
  static let count = 14

  /// The smallest class that holds `size` bytes (1...2048).
  @inline(__always)
  init(holding size: Int) {
    if size <= 32 {
      index = size <= 16 ? 0 : 1
      return
    }
    let power = Int.bitWidth - 1 - (size - 1).leadingZeroBitCount
    let half = size > 3 << (power - 1) ? 1 : 0
    index = (power - 5) * 2 + 2 + half
  }

  init(index: Int) { self.index = index }

  /// Bytes in a block.
  @inline(__always)
  var size: Int {
    if index < 2 { return 16 << index }
    let power = (index - 2) / 2 + 5
    return (index - 2) % 2 == 0 ? 3 << (power - 1) : 2 << power
  }
}
