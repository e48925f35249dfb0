import Machine

/// A timer's place among those of a CPU. Lies in the record of the thread that waits for it, or in a
/// `Timer`; stays where it is from `apus_set_timer` until its function has run or `Timers.cancel` has returned.
@usableFromInline
struct TimerNode {
  // Constant while it is set.
  var function: (@convention(c) (UnsafeMutableRawPointer) -> Void)?
  var context: UnsafeMutableRawPointer?
  /// The CPU in whose heap it is.
  var home = 0
  /// Nanoseconds from one time to the next; 0 for once.
  var period: UInt64 = 0

  // Guarded by the lock of that CPU's timers.
  var deadline: UInt64 = 0
  var isSet = false
  fileprivate var child: UnsafeMutablePointer<TimerNode>?
  fileprivate var next: UnsafeMutablePointer<TimerNode>?
  /// The sibling before it, or the parent of a first child.
  fileprivate var previous: UnsafeMutablePointer<TimerNode>?

  @usableFromInline
  init() {}
}

/// Timers, the earliest on top: a pairing heap. To put one in takes a fixed number of steps, and so it is
/// to take one out that nothing was put under, as timeouts are that do not come; taking out the earliest
/// takes a logarithmic number, amortised.
// M. L. Fredman, R. Sedgewick, D. D. Sleator, R. E. Tarjan: The pairing heap, Algorithmica 1 (1986).
struct TimerHeap: ~Copyable {
  /// The earliest.
  private(set) var first: UnsafeMutablePointer<TimerNode>?

  /// When the earliest is due; `UInt64.max` without any.
  @inline(__always)
  var deadline: UInt64 { first?.pointee.deadline ?? .max }

  /// Puts in a node that is in no heap.
  @inline(__always)
  mutating func insert(_ node: UnsafeMutablePointer<TimerNode>) {
    node.pointee.child = nil
    node.pointee.next = nil
    node.pointee.previous = nil
    first = first.map { Self.join($0, node) } ?? node
  }

  /// Takes out a node that is in.
  mutating func remove(_ node: UnsafeMutablePointer<TimerNode>) {
    let children = Self.joinSiblings(node.pointee.child)
    node.pointee.child = nil
    guard let previous = node.pointee.previous else {
      first = children
      return
    }
    let next = node.pointee.next
    if previous.pointee.child == node {
      previous.pointee.child = next
    } else {
      previous.pointee.next = next
    }
    next?.pointee.previous = previous
    if let children, let first { self.first = Self.join(first, children) }
  }

  /// Makes one heap of two; returns its top.
  @inline(__always)
  private static func join(
    _ one: UnsafeMutablePointer<TimerNode>, _ other: UnsafeMutablePointer<TimerNode>
  ) -> UnsafeMutablePointer<TimerNode> {
    let isFirst = one.pointee.deadline <= other.pointee.deadline
    let top = isFirst ? one : other
    let below = isFirst ? other : one
    let child = top.pointee.child
    below.pointee.next = child
    child?.pointee.previous = below
    below.pointee.previous = top
    top.pointee.child = below
    top.pointee.next = nil
    top.pointee.previous = nil
    return top
  }

  /// Makes one heap of a node and its siblings: first of each two, from the left, then of all, from the
  /// right.
  private static func joinSiblings(
    _ first: UnsafeMutablePointer<TimerNode>?
  ) -> UnsafeMutablePointer<TimerNode>? {
    var rest = first
    // Linked by `next`, the last pair first.
    var pairs: UnsafeMutablePointer<TimerNode>?
    while let one = rest {
      let other = one.pointee.next
      rest = other?.pointee.next
      one.pointee.previous = nil
      let pair = other.map { join(one, $0) } ?? one
      pair.pointee.next = pairs
      pairs = pair
    }
    var result: UnsafeMutablePointer<TimerNode>?
    while let pair = pairs {
      pairs = pair.pointee.next
      pair.pointee.next = nil
      result = result.map { join($0, pair) } ?? pair
    }
    return result
  }
}
