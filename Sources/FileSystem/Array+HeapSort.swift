extension Array {
  /// Sorts in place, by a heap: in an image it is a tenth of the code of the standard library's sort, which
  /// keeps the order of equal elements. Here `precedes` must tell any two apart for that.
  mutating func heapSort(by precedes: (Element, Element) -> Bool) {
    var start = count / 2
    while start > 0 {
      start -= 1
      siftDown(start, count, precedes)
    }
    var end = count
    while end > 1 {
      end -= 1
      swapAt(0, end)
      siftDown(0, end, precedes)
    }
  }

  /// Lets the element at `start` sink in the heap of the first `end` elements.
  @inline(never)
  private mutating func siftDown(
    _ start: Int, _ end: Int, _ precedes: (Element, Element) -> Bool
  ) {
    var parent = start
    while 2 * parent + 1 < end {
      var child = 2 * parent + 1
      if child + 1 < end && precedes(self[child], self[child + 1]) { child += 1 }
      guard precedes(self[parent], self[child]) else { return }
      swapAt(parent, child)
      parent = child
    }
  }
}
