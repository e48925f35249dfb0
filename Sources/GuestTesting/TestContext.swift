#if hasFeature(Embedded)
import Apus

/// What a running test checks its expectations with. It may be used on every CPU at once.
public final class TestContext: Sendable {
  private let name: String
  private let failures = Atomic<Int>(0)

  init(name: String) {
    self.name = name
  }

  /// Whether an expectation did not hold so far.
  public var hasFailed: Bool { failures.load(ordering: .relaxed) > 0 }

  /// Expects a condition to hold. The test goes on either way.
  ///
  /// - Returns: The condition, for tests that cannot go on without it.
  @discardableResult
  public func expect(
    _ condition: Bool, _ message: @autoclosure () -> String = "an expectation does not hold",
    file: StaticString = #fileID, line: UInt = #line
  ) -> Bool {
    if !condition { fail(message(), file: file, line: line) }
    return condition
  }

  /// Expects two values to be equal, and says both if they are not.
  @discardableResult
  public func expect<Value: Equatable & CustomStringConvertible>(
    _ value: Value, equals expected: Value, _ message: @autoclosure () -> String = "",
    file: StaticString = #fileID, line: UInt = #line
  ) -> Bool {
    guard value != expected else { return true }
    var text = message()
    if !text.isEmpty { text += ": " }
    fail("\(text)\(value.description) instead of \(expected.description)", file: file, line: line)
    return false
  }

  /// Fails the test; it goes on.
  public func fail(_ message: String, file: StaticString = #fileID, line: UInt = #line) {
    // Tests that check in a loop would otherwise flood the log.
    if failures.wrappingAdd(1, ordering: .relaxed).oldValue < Self.reportedFailures {
      TestRecord.fail(name, "\(file):\(line): \(message)").send()
    }
  }

  private static var reportedFailures: Int { 20 }
}
#endif
