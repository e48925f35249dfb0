/// The report of guest tests in several virtual machines: a line per test, and the sum.
public struct GuestTestReport: Equatable, Sendable {
  /// How many tests passed, each counted in every configuration in which it ran.
  public private(set) var passed = 0
  /// How many failed, counted likewise; an image that did not end well is one more.
  public private(set) var failed = 0
  /// How many did not run, counted likewise.
  public private(set) var skipped = 0

  private let usesColor: Bool

  /// Creates a report of nothing. Colours are for terminals.
  public init(usesColor: Bool = false) {
    self.usesColor = usesColor
  }

  /// Counts a result.
  ///
  /// - Returns: Its lines. A failure is followed by what did not hold and by the test's log.
  public mutating func add(
    _ result: GuestTestResult, in configuration: GuestTestConfiguration
  ) -> [String] {
    let place = "\(configuration)  \(result.name)"
    let time = result.seconds.map { " (\(Int(($0 * 1000).rounded())) ms)" } ?? ""
    switch result.status {
    case .passed:
      passed += 1
      return ["\(colored("ok", .green))  \(place)\(time)"]
    case .skipped(let reason):
      skipped += 1
      return ["\(colored("skip", .yellow))  \(place): \(reason)"]
    case .failed(let messages):
      failed += 1
      return ["\(colored("FAIL", .red))  \(place)\(time)"]
        + messages.map { "      \($0)" } + result.log.map { "    | \($0)" }
    }
  }

  /// The closing line: `N passed, N failed`, and `, N skipped` if any were.
  public var summary: String {
    "\(passed) passed, \(failed) failed" + (skipped > 0 ? ", \(skipped) skipped" : "")
  }

  /// Whether no test has even been skipped.
  public var isEmpty: Bool { passed + failed + skipped == 0 }

  /// The command's exit status: 0 if tests ran and none failed.
  public var exitStatus: Int32 { failed == 0 && passed > 0 ? 0 : 1 }

  private enum Color: Int {
    case red = 31
    case green = 32
    case yellow = 33
  }

  private func colored(_ word: String, _ color: Color) -> String {
    usesColor ? "\u{1B}[\(color.rawValue)m\(word)\u{1B}[0m" : word
  }
}
