/// What became of one guest test in one virtual machine.
public struct GuestTestResult: Equatable, Sendable {
  /// A test's end.
  public enum Status: Equatable, Sendable {
    case passed
    case skipped(reason: String)
    /// Every expectation that did not hold, or how the virtual machine ended in the test.
    case failed(messages: [String])
  }

  /// The test's name, or `image` for what belongs to no test.
  public var name: String
  /// The test's end.
  public var status: Status
  /// The host's seconds from the test's begin to its end, or `nil` for a test that did not run.
  public var seconds: Double?
  /// The lines of the log from the test's begin to its end.
  public var log: [String]

  /// Creates a result.
  public init(name: String, status: Status, seconds: Double? = nil, log: [String] = []) {
    self.name = name
    self.status = status
    self.seconds = seconds
    self.log = log
  }

  /// The name of the results of what belongs to no test.
  public static let image = "(the image)"

  /// Whether the result makes the whole run a failure.
  public var isFailure: Bool {
    if case .failed = status { true } else { false }
  }
}

/// A test that ends its virtual machine by a panic, and so runs in one of its own.
public struct GuestDeathTest: Equatable, Sendable {
  /// The test's name.
  public var name: String
  /// What must stand in the log.
  public var expected: String

  /// Creates a death test.
  public init(name: String, expected: String) {
    self.name = name
    self.expected = expected
  }
}
