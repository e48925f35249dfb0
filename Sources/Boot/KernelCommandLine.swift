/// The kernel's command line: options, then `--`, then the application's arguments.
///
///     [KEY=VALUE | WORD] ... [-- ARGUMENT ...]
///
/// Blanks separate the words. Values and arguments may be percent-encoded; `decode(_:_:)` gives
/// their bytes. Nothing here copies or takes memory: a word is a range of addresses, which the
/// same command line reads.
public struct KernelCommandLine<Memory: PhysicalMemoryReader> {
  /// The bytes of a word or a part of it, as physical addresses.
  public typealias Bytes = Range<UInt64>

  /// An option in front of `--`.
  public struct Option {
    /// What stands in front of the first `=`; the whole word when it has none.
    public let key: Bytes
    /// What stands behind the first `=`; nil when the word has none.
    public let value: Bytes?
  }

  private let memory: Memory
  /// The whole line, without its NUL.
  public let bytes: Bytes

  /// The NUL-terminated command line at `address`; an empty one when `address` is 0.
  public init(at address: UInt64, in memory: Memory) throws(KernelCommandLineError) {
    self.memory = memory
    guard address != 0 else {
      bytes = 0..<0
      return
    }
    let limit = KernelCommandLineError.byteLimit
    guard memory.byte(at: address) != nil else { throw .unreadable(address: address) }
    guard let count = memory.stringLength(at: address, limit: limit) else {
      throw .unterminated(address: address)
    }
    bytes = address..<address + count
  }

  /// The options, in order.
  public var options: Options {
    Options(words: Words(memory: memory, position: bytes.lowerBound, end: bytes.upperBound))
  }

  /// The application's arguments, in order.
  public var arguments: Arguments {
    var words = Words(memory: memory, position: bytes.lowerBound, end: bytes.upperBound)
    while let word = words.next() {
      if words.isSeparator(word) { break }
    }
    return Arguments(words: words)
  }

  /// The value of the last option with this key; nil when there is none or it has no `=`.
  public func value(of key: StaticString) -> Bytes? {
    var result: Bytes?
    for option in options where matches(option.key, key) {
      result = option.value
    }
    return result
  }

  /// Whether a word without `=` in front of `--` is this one.
  public func hasFlag(_ word: StaticString) -> Bool {
    for option in options where option.value == nil && matches(option.key, word) {
      return true
    }
    return false
  }

  /// Whether the bytes, as they stand, are those of `text`.
  public func matches(_ bytes: Bytes, _ text: StaticString) -> Bool {
    bytes.count == text.utf8CodeUnitCount && memory.matches(text, at: bytes.lowerBound)
  }

  /// What follows `prefix` in `bytes`, or nil when they do not begin with it.
  public func remainder(of bytes: Bytes, after prefix: StaticString) -> Bytes? {
    guard bytes.count >= prefix.utf8CodeUnitCount,
      memory.matches(prefix, at: bytes.lowerBound)
    else { return nil }
    return bytes.lowerBound + UInt64(prefix.utf8CodeUnitCount)..<bytes.upperBound
  }

  /// Hands the bytes of a key, value or argument to `body`, with `%` and two hexadecimal digits
  /// decoded into one byte. A `%` that is the whole word stands for an empty one; every other `%`
  /// without two digits stands for itself.
  public func decode(_ bytes: Bytes, _ body: (UInt8) -> Void) {
    if bytes.count == 1 && memory.byte(at: bytes.lowerBound) == UInt8(ascii: "%") { return }
    var position = bytes.lowerBound
    while position < bytes.upperBound {
      guard let byte = memory.byte(at: position) else { return }
      if byte == UInt8(ascii: "%"), bytes.upperBound - position > 2,
        let high = hexadecimalDigit(at: position + 1), let low = hexadecimalDigit(at: position + 2)
      {
        body(high << 4 | low)
        position += 3
      } else {
        body(byte)
        position += 1
      }
    }
  }

  private func hexadecimalDigit(at address: UInt64) -> UInt8? {
    guard let byte = memory.byte(at: address) else { return nil }
    switch byte {
    case 0x30...0x39: return byte - 0x30
    case 0x41...0x46: return byte - 0x41 + 10
    case 0x61...0x66: return byte - 0x61 + 10
    default: return nil
    }
  }
}

extension KernelCommandLine {
  /// The options of a command line.
  public struct Options: Sequence, IteratorProtocol {
    fileprivate var words: Words

    /// The next option, or nil at `--` and at the end.
    public mutating func next() -> Option? {
      guard let word = words.next(), !words.isSeparator(word) else {
        words.finish()
        return nil
      }
      guard let sign = words.firstAddress(of: UInt8(ascii: "="), in: word) else {
        return Option(key: word, value: nil)
      }
      return Option(key: word.lowerBound..<sign, value: sign + 1..<word.upperBound)
    }
  }

  /// The arguments of a command line.
  public struct Arguments: Sequence, IteratorProtocol {
    fileprivate var words: Words

    /// The next argument, still encoded, or nil at the end.
    public mutating func next() -> Bytes? {
      words.next()
    }
  }

  /// The words of a line, separated by blanks.
  fileprivate struct Words {
    let memory: Memory
    var position: UInt64
    let end: UInt64

    mutating func next() -> Bytes? {
      while position < end && isBlank(position) { position += 1 }
      guard position < end else { return nil }
      let start = position
      while position < end && !isBlank(position) { position += 1 }
      return start..<position
    }

    mutating func finish() {
      position = end
    }

    func isSeparator(_ word: Bytes) -> Bool {
      word.count == 2 && memory.matches("--", at: word.lowerBound)
    }

    func firstAddress(of wanted: UInt8, in word: Bytes) -> UInt64? {
      var address = word.lowerBound
      while address < word.upperBound {
        if memory.byte(at: address) == wanted { return address }
        address += 1
      }
      return nil
    }

    private func isBlank(_ address: UInt64) -> Bool {
      switch memory.byte(at: address) {
      case 0x20, 0x09, 0x0A, 0x0D: true
      default: false
      }
    }
  }
}
