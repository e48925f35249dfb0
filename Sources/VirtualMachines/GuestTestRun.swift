/// Follows the records and the log of one virtual machine that runs guest tests, and says at its
/// end what became of every test.
///
/// A test that began must end; an image must say that its tests are done, and then end by itself
/// with the status that fits. Everything else is a failure: of the test that was running, or of
/// the image when none was.
public struct GuestTestRun {
  /// Tests that are still to be run, each in a virtual machine of its own.
  public private(set) var deathTests: [GuestDeathTest] = []
  /// What has ended so far.
  public private(set) var results: [GuestTestResult] = []

  private struct RunningTest {
    var name: String
    var begin: Double
    var messages: [String] = []
    var log: [String] = []
  }

  private var running: RunningTest?
  private var log: [String] = []
  private var isDone = false

  /// The latest lines of a log that are kept for a failure: at least so many, at most twice.
  private static let logLimit = 1000

  /// Creates a run that has seen nothing yet.
  public init() {}

  /// Takes a line of the log.
  public mutating func receive(logLine line: String) {
    log.append(line)
    if log.count > 2 * Self.logLimit { log.removeFirst(Self.logLimit) }
    running?.log.append(line)
    if let lines = running?.log.count, lines > 2 * Self.logLimit {
      running?.log.removeFirst(Self.logLimit)
    }
  }

  /// Takes a record that came at a moment of the host's clock, in seconds.
  ///
  /// - Returns: The tests that ended with it.
  @discardableResult
  public mutating func receive(_ record: Record, at now: Double) -> [GuestTestResult] {
    let before = results.count
    switch record {
    case .test(let news): receive(news, at: now)
    case .testsDone:
      endUnfinished(at: now)
      isDone = true
    case .booted, .inputWanted, .lock, .cpuStatistics, .threadStatistics, .trace, .traceThread,
      .traceLost, .exit, .panic,
      .outOfMemory:
      break
    }
    return Array(results[before...])
  }

  /// Ends the run of an image: `reason` is why its virtual machine ended.
  ///
  /// - Returns: What ended with it: the test that was running, or the image.
  public mutating func finish(_ reason: Outcome.Reason, at now: Double) -> [GuestTestResult] {
    let before = results.count
    if running != nil {
      end(at: now, with: "was running when \(reason.clause)")
    } else if !isDone {
      failImage("\(reason.clause) before all tests had run")
    } else {
      let expected: UInt8 = results.contains { $0.isFailure } ? 1 : 0
      if reason != .exited(status: expected) {
        failImage("\(reason.clause) after all tests had run, instead of ending with \(expected)")
      }
    }
    return Array(results[before...])
  }

  /// Ends the run of one death test, in the virtual machine that ran only it.
  ///
  /// It passes if the test began, the kernel panicked, and the log has the expected text after
  /// the begin.
  public mutating func finish(
    _ test: GuestDeathTest, _ reason: Outcome.Reason, at now: Double
  ) -> GuestTestResult {
    guard let running, running.name == test.name else {
      // The library has said why not, or the image never came to the test.
      if let result = results.first(where: { $0.name == test.name && $0.isFailure }) {
        return result
      }
      return GuestTestResult(
        name: test.name, status: .failed(messages: ["did not begin: \(reason.clause)"]), log: log)
    }
    var messages = running.messages
    if reason != .panicked && reason != .outOfMemory {
      messages.append("should end by a panic, but \(reason.clause)")
    } else if !running.log.joined(separator: "\n").contains(test.expected) {
      messages.append("the panic's report has no \"\(test.expected)\"")
    }
    return GuestTestResult(
      name: test.name, status: messages.isEmpty ? .passed : .failed(messages: messages),
      seconds: now - running.begin, log: running.log)
  }

  private mutating func receive(_ news: TestRecord, at now: Double) {
    switch news {
    case .begin(let name):
      endUnfinished(at: now)
      running = RunningTest(name: name, begin: now)
    case .fail(let name, let message):
      // A test may fail in several places and on several CPUs: its end is what comes after it.
      if running?.name == name {
        running?.messages.append(message)
      } else {
        fail(name, message)
      }
    case .pass(let name):
      if running?.name == name {
        end(at: now, with: nil)
      } else {
        fail(name, "passed without having begun")
      }
    case .skip(let name, let reason):
      endUnfinished(at: now)
      results.append(GuestTestResult(name: name, status: .skipped(reason: reason)))
    case .dies(let name, let expected):
      endUnfinished(at: now)
      deathTests.append(GuestDeathTest(name: name, expected: expected))
    }
  }

  /// Something else comes: a test that has failed has ended, one that has not is broken.
  private mutating func endUnfinished(at now: Double) {
    guard let running else { return }
    end(at: now, with: running.messages.isEmpty ? "began and never ended" : nil)
  }

  private mutating func end(at now: Double, with message: String?) {
    guard var test = running else { return }
    running = nil
    if let message { test.messages.append(message) }
    results.append(
      GuestTestResult(
        name: test.name,
        status: test.messages.isEmpty ? .passed : .failed(messages: test.messages),
        seconds: now - test.begin, log: test.log))
  }

  private mutating func fail(_ name: String, _ message: String) {
    results.append(GuestTestResult(name: name, status: .failed(messages: [message]), log: log))
  }

  private mutating func failImage(_ message: String) { fail(GuestTestResult.image, message) }
}

extension Outcome.Reason {
  /// What happened, as a clause of a sentence.
  var clause: String {
    switch self {
    case .exited(let status): "the image ended with status \(status)"
    case .panicked: "the kernel panicked"
    case .outOfMemory: "the guest's memory ran out"
    case .timedOut: "the time ran out"
    case .reset: "the guest reset itself"
    case .qemuFailed(let message): "QEMU failed (\(message))"
    case .interrupted(let signal): "signal \(signal) came"
    }
  }
}
