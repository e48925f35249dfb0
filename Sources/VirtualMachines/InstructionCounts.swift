import Foundation

/// What the plugin `InstructionCounter` counted in one run of a virtual machine: the guest
/// instructions of every CPU, and all CPUs' counts at each mark that the guest made.
///
/// The counts begin with QEMU, so they include the firmware: take differences between marks, of
/// which the kernel's are `entry`, `main` and `exit`. The file's format is described at the head
/// of `Sources/InstructionCounter/counter.c`.
public struct InstructionCounts: Equatable, Sendable, Encodable {
  /// The mark at the kernel's first instruction.
  public static let entry = 0
  /// The mark right before the application's `main`.
  public static let main = 1
  /// The mark at the application's exit.
  public static let exit = 2
  /// The marks that an application may use.
  public static let applicationMarks = 8...63

  /// One execution of a mark, with what every CPU had executed before it.
  public struct Event: Equatable, Sendable, Encodable {
    /// The mark, 0 to 63.
    public let mark: Int
    /// The CPU that made the mark.
    public let cpu: Int
    /// Instructions executed by each CPU so far. Those of other CPUs are of about the same moment.
    public let instructions: [UInt64]

    /// Creates an event.
    public init(mark: Int, cpu: Int, instructions: [UInt64]) {
      self.mark = mark
      self.cpu = cpu
      self.instructions = instructions
    }
  }

  /// The number of CPUs of the virtual machine, whether the guest used them or not.
  public let cpus: Int
  /// The marks in the order in which they were made.
  public let events: [Event]
  /// Marks that are not in `events`, because the plugin keeps a limited number.
  public let dropped: UInt64
  /// Instructions executed by each CPU from the start of the virtual machine to its end.
  public let total: [UInt64]

  /// The instructions that each CPU executed between two marks.
  ///
  /// From the first time that the mark `from` was made to the first time after it that `to` was
  /// made. Nothing if the run has no such pair.
  public func instructions(from: Int, to: Int) -> [UInt64]? {
    guard let start = events.firstIndex(where: { $0.mark == from }),
      let end = events[(start + 1)...].firstIndex(where: { $0.mark == to })
    else { return nil }
    // A counter only grows, but another CPU's count is read while that CPU runs on.
    return zip(events[start].instructions, events[end].instructions).map { before, after in
      after >= before ? after - before : 0
    }
  }
}

extension InstructionCounts {
  /// Reads the file that the plugin wrote at QEMU's exit.
  public init(contentsOf path: String) throws(InstructionCountsError) {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw .unreadable(path: path, reason: error.localizedDescription)
    }
    try self.init(parsing: [UInt8](data))
  }

  /// Parses the text of such a file.
  public init(parsing text: [UInt8]) throws(InstructionCountsError) {
    var parser = InstructionCountsParser()
    for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      try parser.parse(line)
    }
    self = try parser.finish()
  }
}

/// Why a file of instruction counts cannot be used.
public enum InstructionCountsError: Error, Equatable, CustomStringConvertible {
  case unreadable(path: String, reason: String)
  case unknownFormat(firstLine: String)
  case malformed(line: Int, text: String)
  case incomplete

  public var description: String {
    switch self {
    case .unreadable(let path, let reason):
      "cannot read the instruction counts \(path): \(reason)"
    case .unknownFormat(let firstLine):
      "not a file of instruction counts of version 1 (it begins with \"\(firstLine)\"): "
        + "rebuild the plugin with `swift build -c release --product InstructionCounter`"
    case .malformed(let line, let text):
      "line \(line) of the instruction counts is malformed: \"\(text)\""
    case .incomplete:
      "the instruction counts have no total: QEMU was killed before it could write them"
    }
  }
}

/// The state between two lines of the file.
private struct InstructionCountsParser {
  private static let header = Array("apus-instruction-counts 1".utf8)

  private var lineNumber = 0
  private var cpus: Int?
  private var events: [InstructionCounts.Event] = []
  private var dropped: UInt64 = 0
  private var total: [UInt64]?

  mutating func parse(_ line: ArraySlice<UInt8>) throws(InstructionCountsError) {
    lineNumber += 1
    if lineNumber == 1 {
      guard line.elementsEqual(Self.header) else {
        throw .unknownFormat(firstLine: String(decoding: line.prefix(40), as: UTF8.self))
      }
      return
    }
    // The end of the last line is followed by one more, empty, slice.
    if line.isEmpty && total != nil { return }

    let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    let values = fields.dropFirst().compactMap { Self.number($0) }
    guard values.count == fields.count - 1, total == nil, try consume(fields[0], values) else {
      throw .malformed(line: lineNumber, text: String(decoding: line.prefix(80), as: UTF8.self))
    }
  }

  mutating func finish() throws(InstructionCountsError) -> InstructionCounts {
    guard let cpus, let total else { throw .incomplete }
    return InstructionCounts(cpus: cpus, events: events, dropped: dropped, total: total)
  }

  /// Takes one record; false if it is not one, or not at this place.
  private mutating func consume(
    _ keyword: ArraySlice<UInt8>, _ values: [UInt64]
  ) throws(InstructionCountsError) -> Bool {
    guard let cpus else {
      guard keyword.elementsEqual("cpus".utf8), values.count == 1, (1...65536).contains(values[0])
      else { return false }
      self.cpus = Int(values[0])
      return true
    }
    if keyword.elementsEqual("event".utf8) {
      guard values.count == cpus + 2, values[0] < 64, values[1] < UInt64(cpus) else { return false }
      events.append(
        InstructionCounts.Event(
          mark: Int(values[0]), cpu: Int(values[1]), instructions: Array(values.dropFirst(2))))
    } else if keyword.elementsEqual("dropped".utf8) {
      guard values.count == 1 else { return false }
      dropped = values[0]
    } else if keyword.elementsEqual("total".utf8) {
      guard values.count == cpus else { return false }
      total = values
    } else {
      return false
    }
    return true
  }

  /// The value of decimal digits, if they are nothing else and fit.
  private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
    guard !digits.isEmpty else { return nil }
    var value: UInt64 = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
      guard !overflow && !carry else { return nil }
      value = sum
    }
    return value
  }
}
