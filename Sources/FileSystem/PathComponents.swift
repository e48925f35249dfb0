/// The components of a path: what stands between slashes, without empty ones and those that are
/// `.`.
struct PathComponents {
  private let path: UnsafeRawBufferPointer
  private var position = 0

  init(_ path: UnsafeRawBufferPointer) {
    self.path = path
  }

  mutating func next() -> UnsafeRawBufferPointer? {
    while position < path.count {
      let start = position
      while position < path.count && path[position] != UInt8(ascii: "/") { position += 1 }
      let component = UnsafeRawBufferPointer(rebasing: path[start..<position])
      position += 1
      let isCurrent = component.count == 1 && component[0] == UInt8(ascii: ".")
      if !component.isEmpty && !isCurrent { return component }
    }
    return nil
  }

  /// Whether a component is `..`.
  static func isParent(_ component: UnsafeRawBufferPointer) -> Bool {
    component.count == 2 && component[0] == UInt8(ascii: ".") && component[1] == UInt8(ascii: ".")
  }
}
