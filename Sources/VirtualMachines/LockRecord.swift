/// What a checked image counted for one class of locks.
public struct LockRecord: Equatable, Sendable, Encodable {
  /// The class's name.
  public var name: String
  /// Its place in the order in which locks are taken.
  public var level: Int
  /// How often one of its locks was taken.
  public var acquisitions: Int
  /// How often it had to be waited for.
  public var contentions: Int
  /// The longest wait for one, and all waits together.
  public var longestWaitNanoseconds: Int
  public var totalWaitNanoseconds: Int
  /// The longest time that one was held, and all together.
  public var longestHoldNanoseconds: Int
  public var totalHoldNanoseconds: Int
  /// The CPU that took one last.
  public var lastOwner: Int

  /// Parses eight numbers and the name, which may have blanks.
  init?(_ fields: [String]) {
    guard let parsed = RecordFields(fields, numbers: 8, hasText: true), !parsed.text.isEmpty else {
      return nil
    }
    name = parsed.text
    let numbers = parsed.numbers
    level = numbers[0]
    acquisitions = numbers[1]
    contentions = numbers[2]
    longestWaitNanoseconds = numbers[3]
    totalWaitNanoseconds = numbers[4]
    longestHoldNanoseconds = numbers[5]
    totalHoldNanoseconds = numbers[6]
    lastOwner = numbers[7]
  }

  /// A table of records for a terminal: those that were waited for longest first. Times in
  /// microseconds.
  public static func table(_ records: [LockRecord]) -> String {
    let heading = [
      "lock", "level", "taken", "waited", "longest wait", "all waits", "longest hold", "all holds",
      "last CPU",
    ]
    let rows =
      [heading]
      + records.sorted {
        ($0.totalWaitNanoseconds, $0.acquisitions) > ($1.totalWaitNanoseconds, $1.acquisitions)
      }.map(\.cells)
    return TextTable.lines(rows, text: [0]).joined(separator: "\n")
  }

  private var cells: [String] {
    [name, String(level), String(acquisitions), String(contentions)]
      + [
        longestWaitNanoseconds, totalWaitNanoseconds, longestHoldNanoseconds, totalHoldNanoseconds,
      ].map(Self.microseconds) + [String(lastOwner)]
  }

  static func microseconds(_ nanoseconds: Int) -> String {
    "\(nanoseconds / 1000).\(nanoseconds / 100 % 10)"
  }
}
