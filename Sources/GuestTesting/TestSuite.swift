#if hasFeature(Embedded)
import Apus

/// A named list of tests: what the `main` of a test image runs.
///
///     import Apus
///     import GuestTesting
///
///     @main struct Tests {
///       static func main() {
///         TestSuite(
///           name: "Boot",
///           [
///             Test("adds") { t in t.expect(1 + 1 == 2, "addition") },
///             Test("null pointer", dies: "page fault") { readNull() },
///             Test("runs elsewhere", minimumCPUs: 2) { t in … },
///           ]
///         ).run()
///       }
///     }
///
/// The command `apus test` reads two variables of the image's environment: `APUS_TEST=NAME` runs
/// that test alone, also if it is a death test, and `APUS_TEST_FILTER=TEXT` only those tests whose
/// names contain the text. A test's full name is `SUITE/TEST`.
public struct TestSuite {
  private let name: String
  private let tests: [Test]

  /// Creates a suite.
  public init(name: String, _ tests: [Test]) {
    self.name = name
    self.tests = tests
  }

  /// Runs the suite and ends the image: with 0 if every test has passed, else with 1.
  public func run() -> Never { Self.run([self]) }

  /// Runs several suites in order and ends the image likewise.
  ///
  /// None of the tests runs, and the image ends with 1, if a name is too long for `apus`.
  public static func run(_ suites: [TestSuite]) -> Never {
    guard reportFlaws(suites) == 0 else {
      TestRecord.done.send()
      exit(1)
    }
    let selected = Environment.value(of: "APUS_TEST")
    let filter = Environment.value(of: "APUS_TEST_FILTER")
    var allPassed = true
    var found = false
    for suite in suites {
      for test in suite.tests {
        let fullName = "\(suite.name)/\(test.name)"
        if let selected, !fullName.utf8.elementsEqual(selected.utf8) { continue }
        if let filter, !contains(fullName, filter) { continue }
        found = true
        allPassed = run(test, fullName, alone: selected != nil) && allPassed
      }
    }
    if let selected, !found {
      TestRecord.fail(selected, "there is no test of this name").send()
      allPassed = false
    }
    TestRecord.done.send()
    exit(allPassed ? 0 : 1)
  }

  /// Reports what `apus` could not tell apart if the tests ran.
  ///
  /// - Returns: The number of tests that it has reported.
  private static func reportFlaws(_ suites: [TestSuite]) -> Int {
    var count = 0
    for suite in suites {
      for test in suite.tests {
        let fullName = "\(suite.name)/\(test.name)"
        let announcement: TestRecord =
          switch test.body {
          case .expectations: .begin(fullName)
          case .death(let expected, _): .dies(fullName, expected)
          }
        if let flaw = announcement.flaw {
          // The record has only the beginning of a long name.
          Console.error(fullName)
          TestRecord.fail(fullName, flaw).send()
          count += 1
        }
      }
    }
    return count
  }

  /// Runs one test, or announces it if it needs a virtual machine of its own.
  ///
  /// - Returns: Whether it has not failed.
  private static func run(_ test: Test, _ fullName: String, alone: Bool) -> Bool {
    guard CPUSet.online.count >= test.minimumCPUs else {
      TestRecord.skip(fullName, "needs \(test.minimumCPUs) CPUs").send()
      return true
    }
    switch test.body {
    case .expectations(let body):
      let context = TestContext(name: fullName)
      TestRecord.begin(fullName).send()
      body(context)
      if context.hasFailed { return false }
      TestRecord.pass(fullName).send()
      return true
    case .death(let expected, let body):
      guard alone else {
        TestRecord.dies(fullName, expected).send()
        return true
      }
      TestRecord.begin(fullName).send()
      body()
      TestRecord.fail(fullName, "went on instead of dying").send()
      return false
    }
  }

  /// Whether the bytes of `part` occur in `text`.
  private static func contains(_ text: String, _ part: String) -> Bool {
    let text = Array(text.utf8)
    let part = Array(part.utf8)
    var start = 0
    while start + part.count <= text.count {
      if text[start..<start + part.count].elementsEqual(part) { return true }
      start += 1
    }
    return false
  }
}
#endif
