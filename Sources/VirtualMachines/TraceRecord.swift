/// An event that a traced image has recorded, see `TraceEvent` of the kernel.
public struct TraceRecord: Equatable, Sendable {
  /// What happened. The numbers are those of the kernel.
  public enum Kind: Int, Sendable {
    case `switch` = 1
    case wake, pull, interrupt, fault, shootdown, lockWait, spawn, name
  }

  public var cpu: Int
  public var kind: Kind
  /// When it began and how long it took, in nanoseconds.
  public var time: UInt64
  public var duration: UInt64
  /// What the kernel says of the kind.
  public var first: UInt64
  public var second: UInt64

  public init(
    cpu: Int, _ kind: Kind, time: UInt64, duration: UInt64 = 0, first: UInt64 = 0,
    second: UInt64 = 0
  ) {
    self.cpu = cpu
    self.kind = kind
    self.time = time
    self.duration = duration
    self.first = first
    self.second = second
  }

  /// Parses six hexadecimal numbers.
  init?(_ fields: [String]) {
    let numbers = fields.compactMap { UInt64($0, radix: 16) }
    guard fields.count == 6, numbers.count == 6, numbers[0] < 1 << 16,
      let kind = Int(exactly: numbers[1]).flatMap(Kind.init)
    else { return nil }
    self.init(
      cpu: Int(numbers[0]), kind, time: numbers[2], duration: numbers[3], first: numbers[4],
      second: numbers[5])
  }

  /// When it was over.
  var end: UInt64 { time &+ duration }

  /// The text of a record of the kind `name`, see `TraceEvent` of the kernel.
  var name: String {
    let words = [time, first, second, duration]
    let bytes = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
    }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}

/// What the CPUs of a traced machine did, as far as it is known.
public struct RecordedTrace: Equatable, Sendable {
  /// What happened, that of each CPU in the order in which it was recorded.
  public var records: [TraceRecord] = []
  /// The names of threads that were there at the end, by number.
  public var threadNames: [Int: String] = [:]
  /// How many records were not kept, by CPU.
  public var lost: [Int: Int] = [:]

  public init(
    _ records: [TraceRecord] = [], threadNames: [Int: String] = [:], lost: [Int: Int] = [:]
  ) {
    self.records = records
    self.threadNames = threadNames
    self.lost = lost
  }
}
