/// What the kernel and the test library tell the command: a line of the log channel that begins
/// with the byte 0x01 and is never shown.
public enum Record: Equatable, Sendable {
  /// All CPUs are up, and `main` is called next.
  case booted(BootRecord)
  /// The application reads its standard input.
  case inputWanted
  /// The application ended with a status, 0...255.
  case exit(status: UInt8)
  /// A panic report has been printed in full.
  case panic
  /// The guest's memory ran out.
  case outOfMemory
  /// A class of locks in a checked image, at the application's end.
  case lock(LockRecord)
  /// What a CPU did, and a thread that is there, at the machine's end.
  case cpuStatistics(CPURecord)
  case threadStatistics(ThreadRecord)
  /// Something that a CPU of a traced machine did, at the machine's end, and the name of a thread that was
  /// there then.
  case trace(TraceRecord)
  case traceThread(number: Int, name: String)
  /// So many events of a CPU were not kept.
  case traceLost(cpu: Int, count: Int)
  /// A guest test has news.
  case test(TestRecord)
  /// All guest tests have run.
  case testsDone

  /// Parses a record's line without its first byte 0x01 and its line feed.
  ///
  /// - Returns: `nil` for a record that this version does not know; its line is to be shown.
  public init?(_ line: String) {
    let fields = line.split(separator: " ").map(String.init)
    switch fields.first {
    case "booted":
      self = .booted(BootRecord(Array(fields.dropFirst())))
    case "exit":
      guard fields.count == 2, let status = UInt8(fields[1]) else { return nil }
      self = .exit(status: status)
    case "input": self = .inputWanted
    case "panic": self = .panic
    case "out-of-memory": self = .outOfMemory
    case "lock":
      guard let record = LockRecord(Array(fields.dropFirst())) else { return nil }
      self = .lock(record)
    case "cpu-stats":
      guard let record = CPURecord(Array(fields.dropFirst())) else { return nil }
      self = .cpuStatistics(record)
    case "thread-stats":
      guard let record = ThreadRecord(Array(fields.dropFirst())) else { return nil }
      self = .threadStatistics(record)
    case "trace":
      guard let record = TraceRecord(Array(fields.dropFirst())) else { return nil }
      self = .trace(record)
    case "trace-thread":
      guard let parsed = RecordFields(Array(fields.dropFirst()), numbers: 1, hasText: true) else {
        return nil
      }
      self = .traceThread(number: parsed.numbers[0], name: parsed.text)
    case "trace-lost":
      guard let numbers = RecordFields(Array(fields.dropFirst()), numbers: 2)?.numbers else {
        return nil
      }
      self = .traceLost(cpu: numbers[0], count: numbers[1])
    case "test":
      guard let record = TestRecord(Array(fields.dropFirst())) else { return nil }
      self = .test(record)
    case "tests":
      guard fields.count == 2, fields[1] == "done" else { return nil }
      self = .testsDone
    default: return nil
    }
  }
}

/// What the kernel found and how long it took, up to the call of `main`.
public struct BootRecord: Equatable, Sendable, Encodable {
  /// The CPUs that run.
  public var cpus: Int?
  /// The CPUs that the machine has.
  public var found: Int?
  /// The guest's time from the kernel's entry to the call of `main`.
  public var microseconds: Int?

  public init(cpus: Int? = nil, found: Int? = nil, microseconds: Int? = nil) {
    self.cpus = cpus
    self.found = found
    self.microseconds = microseconds
  }

  /// Parses `KEY=NUMBER` fields; a field that is not known is left out.
  init(_ fields: [String]) {
    for field in fields {
      let parts = field.split(separator: "=", maxSplits: 1)
      guard parts.count == 2, let number = Int(parts[1]) else { continue }
      switch parts[0] {
      case "cpus": cpus = number
      case "found": found = number
      case "microseconds": microseconds = number
      default: break
      }
    }
  }
}

/// What the test library tells about one guest test; `name` is the test's.
public enum TestRecord: Equatable, Sendable {
  case begin(name: String)
  case pass(name: String)
  case skip(name: String, reason: String)
  case fail(name: String, message: String)
  /// The test must end its virtual machine by a panic whose report contains `expected`; it runs
  /// in a machine of its own.
  case dies(name: String, expected: String)

  init?(_ fields: [String]) {
    guard fields.count >= 2 else { return nil }
    let name = PercentEncoding.decode(fields[1])
    let text = fields.dropFirst(2).map { PercentEncoding.decode($0) }.joined(separator: " ")
    switch fields[0] {
    case "begin": self = .begin(name: name)
    case "pass": self = .pass(name: name)
    case "skip": self = .skip(name: name, reason: text)
    case "fail": self = .fail(name: name, message: text)
    case "dies": self = .dies(name: name, expected: text)
    default: return nil
    }
  }
}
