/// Puts the log's bytes together into lines, and tells records from text.
struct LogAssembler {
  /// One line of the log.
  enum Line: Equatable {
    case text(String)
    case record(Record)
  }

  /// A line is cut here: a guest gone wild may never write a line feed.
  static let longestLine = 1 << 16

  private var pending: [UInt8] = []

  /// Takes bytes as they come and hands over the lines that they complete.
  mutating func append(_ bytes: some Sequence<UInt8>, _ onLine: (Line) -> Void) {
    for byte in bytes {
      if byte == UInt8(ascii: "\n") {
        finish(onLine)
      } else {
        pending.append(byte)
        if pending.count == Self.longestLine { finish(onLine) }
      }
    }
  }

  /// Hands over the last line if no line feed has ended it.
  mutating func end(_ onLine: (Line) -> Void) {
    if !pending.isEmpty { finish(onLine) }
  }

  private mutating func finish(_ onLine: (Line) -> Void) {
    let text = String(decoding: pending, as: UTF8.self)
    pending.removeAll(keepingCapacity: true)
    if text.utf8.first == 1, let record = Record(String(text.dropFirst())) {
      onLine(.record(record))
    } else {
      onLine(.text(text))
    }
  }
}
