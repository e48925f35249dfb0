import Testing

@testable import Heap

@Suite struct SizeClassTests {
  private let sizes = (0..<SizeClass.count).map { SizeClass(index: $0).size }

  @Test func sizesAscendInMultiplesOf16UpToTheLargest() {
    #expect(sizes == sizes.sorted())
    #expect(Set(sizes).count == SizeClass.count)
    #expect(sizes.allSatisfy { $0 % 16 == 0 })
    #expect(sizes.last == SizeClass.largestSize)
  }

  @Test func everySizeGetsTheSmallestClassThatHoldsIt() {
    for size in 1...SizeClass.largestSize {
      #expect(SizeClass(holding: size).size == sizes.first { $0 >= size }, "size \(size)")
    }
  }

  @Test func indexAndSizeBelongTogether() {
    for index in 0..<SizeClass.count { #expect(SizeClass(holding: sizes[index]).index == index) }
  }

  /// Blocks for an alignment are rounded up to a power of two and rely on this.
  @Test func everyPowerOfTwoIsAClass() {
    var size = 16
    while size <= SizeClass.largestSize {
      #expect(SizeClass(holding: size).size == size)
      size *= 2
    }
  }
}
