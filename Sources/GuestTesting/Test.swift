#if hasFeature(Embedded)
/// One guest test: a name and what to do.
///
/// A test fails when an expectation does not hold, when it ends its virtual machine, or when it
/// does not end. A *death test* is the other way round: it must end its virtual machine by a
/// panic, and runs in one of its own.
///
/// A test's full name, `SUITE/TEST`, has at most 120 bytes, of which each other than `A-Z a-z 0-9`
/// and `_.,:/@+=-` counts as 3. The name and the text that a panic must have are at most 228 bytes
/// together, counted likewise.
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
