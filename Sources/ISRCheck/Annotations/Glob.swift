/// A pattern for whole names: `*` stands for any text, `?` for one character, `[a-z]` for one of
/// these ASCII characters, `[!a-z]` for one other, and `\` makes the next character ordinary.
public struct Glob: Equatable, Sendable {
  /// The pattern as it was written.
  public let pattern: String
  let elements: [Element]

  /// A piece of a pattern.
  enum Element: Equatable, Sendable {
    case byte(UInt8)
    case anyCharacter
    case anyText
    case oneOf(CharacterSet, negated: Bool)
  }

  /// Why a pattern is none.
  public enum PatternError: Error, Equatable, Sendable {
    /// A `[` without its `]`.
    case openSet
    /// A range such as `[z-a]`.
    case emptyRange
    /// A set with characters that are not ASCII.
    case setNotASCII
    /// A `\` at the end.
    case openEscape
    case empty
  }

  public init(_ pattern: String) throws(PatternError) {
    self.pattern = pattern
    var elements: [Element] = []
    var rest = Array(pattern.utf8)[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "*"): if elements.last != .anyText { elements.append(.anyText) }
      case UInt8(ascii: "?"): elements.append(.anyCharacter)
      case UInt8(ascii: "["): elements.append(try Self.set(&rest))
      case UInt8(ascii: "\\"):
        guard let escaped = rest.popFirst() else { throw .openEscape }
        elements.append(.byte(escaped))
      default: elements.append(.byte(byte))
      }
    }
    guard !elements.isEmpty else { throw .empty }
    self.elements = elements
  }

  /// Reads what follows a `[`.
  private static func set(_ rest: inout ArraySlice<UInt8>) throws(PatternError) -> Element {
    var set = CharacterSet()
    let negated = rest.first == UInt8(ascii: "!")
    if negated { rest.removeFirst() }
    var isFirst = true
    while let first = rest.popFirst() {
      if first == UInt8(ascii: "]"), !isFirst { return .oneOf(set, negated: negated) }
      isFirst = false
      let low = try member(first, &rest)
      var high = low
      if rest.first == UInt8(ascii: "-"), let next = rest.dropFirst().first,
        next != UInt8(ascii: "]")
      {
        rest.removeFirst(2)
        high = try member(next, &rest)
      }
      guard low <= high else { throw .emptyRange }
      for byte in low...high { set.insert(byte) }
    }
    throw .openSet
  }

  private static func member(
    _ byte: UInt8, _ rest: inout ArraySlice<UInt8>
  ) throws(PatternError) -> UInt8 {
    var byte = byte
    if byte == UInt8(ascii: "\\") {
      guard let escaped = rest.popFirst() else { throw .openSet }
      byte = escaped
    }
    guard byte < 0x80 else { throw .setNotASCII }
    return byte
  }

  /// A set of ASCII characters.
  struct CharacterSet: Equatable, Sendable {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    mutating func insert(_ byte: UInt8) {
      if byte < 64 { low |= 1 << UInt64(byte) } else { high |= 1 << UInt64(byte & 63) }
    }

    func contains(_ byte: UInt8) -> Bool {
      if byte < 64 { return low >> UInt64(byte) & 1 != 0 }
      return byte < 128 && high >> UInt64(byte & 63) & 1 != 0
    }
  }
}

extension Glob {
  /// The only name that matches, if there is just one.
  public var onlyName: String? {
    var bytes: [UInt8] = []
    for element in elements {
      guard case .byte(let byte) = element else { return nil }
      bytes.append(byte)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The longest piece that each matching name contains, in UTF-8.
  var longestLiteral: [UInt8] {
    var longest: [UInt8] = []
    var current: [UInt8] = []
    for element in elements {
      if case .byte(let byte) = element { current.append(byte) } else { current = [] }
      if current.count > longest.count { longest = current }
    }
    return longest
  }

  /// Whether the whole name matches.
  public func matches(_ name: String) -> Bool {
    var name = name
    return name.withUTF8 { matches($0) }
  }

  /// Whether the whole name, in UTF-8, matches. Takes at most the product of the two lengths: only
  /// the last `*` needs to be tried with more text.
  func matches(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
    var position = 0
    var index = 0
    var retry: (index: Int, position: Int)?
    while true {
      if index < elements.count, case .anyText = elements[index] {
        index += 1
        if index == elements.count { return true }
        retry = (index, position)
      } else if index == elements.count, position == name.count {
        return true
      } else if index < elements.count, position < name.count,
        let length = elements[index].length(in: name, at: position)
      {
        index += 1
        position += length
      } else if let last = retry, last.position < name.count {
        retry = (last.index, last.position + 1)
        index = last.index
        position = last.position + 1
      } else {
        return false
      }
    }
  }
}

extension Glob.Element {
  /// The number of bytes that the element matches at `position`, or `nil` if it does not match.
  fileprivate func length(in name: UnsafeBufferPointer<UInt8>, at position: Int) -> Int? {
    switch self {
    case .byte(let byte): return name[position] == byte ? 1 : nil
    case .oneOf(let set, let negated) where set.contains(name[position]) == negated: return nil
    case .oneOf, .anyCharacter:
      var end = position + 1
      while end < name.count, name[end] & 0xc0 == 0x80 { end += 1 }
      return end - position
    case .anyText: return nil
    }
  }
}
