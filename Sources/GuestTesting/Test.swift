#if hasFeature(Embedded)
/// One guest test: a name and what to do.
///
/// A test fails when an expectation does not hold, when it ends its virtual machine, or when it
/// does not end. A *death test* is the other way round: it must end its virtual machine by a
/// panic, and runs in one of its own.
public struct Test {
  let name: String
  let minimumCPUs: Int
  let body: Body

  enum Body {
    case expectations((TestContext) -> Void)
    case death(expected: String, () -> Void)
  }

  /// Creates a test that is skipped where there are fewer than `minimumCPUs`.
  public init(
    _ name: String, minimumCPUs: Int = 1, _ body: @escaping (TestContext) -> Void
  ) {
    self.name = name
    self.minimumCPUs = minimumCPUs
    self.body = .expectations(body)
  }

  /// Creates a test that must end in a panic whose report contains `expected`.
  public init(
    _ name: String, dies expected: String, minimumCPUs: Int = 1, _ body: @escaping () -> Void
  ) {
    self.name = name
    self.minimumCPUs = minimumCPUs
    self.body = .death(expected: expected, body)
  }
}
#endif
