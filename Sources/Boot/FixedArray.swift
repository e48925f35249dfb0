import Builtin

/// Room for 64 values at a fixed place, without a heap.
///
/// `InlineArray` would be the type for this, but the optimiser copies all of one to read an element
/// of a stored property; of a raw layout it cannot.
@_rawLayout(likeArrayOf: Element, count: 64)
struct FixedArray<Element>: ~Copyable {
  static var capacity: Int { 64 }

  /// Every element starts as `value`; none is ever destroyed, so it must be a plain value.
  init(repeating value: Element) {
    for index in 0..<Self.capacity { (base + index).initialize(to: value) }
  }

  private var base: UnsafeMutablePointer<Element> {
    UnsafeMutablePointer(Builtin.addressOfRawLayout(self))
  }

  /// The element at an index, which must be below `capacity`.
  subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < Self.capacity)
      return base[index]
    }
    set {
      precondition(index >= 0 && index < Self.capacity)
      base[index] = newValue
    }
  }
}

// It is like an array of its elements.
extension FixedArray: @unchecked Sendable where Element: Sendable {}
