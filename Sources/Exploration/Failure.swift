/// Why a schedule is wrong.
public struct Failure: Equatable, Sendable {
  /// Kinds of failure that can be told apart without reading.
  public enum Kind: Equatable, Sendable {
    /// A check of the scenario or an invariant failed.
    case check
    /// No CPU can go on: each waits for a write or an interrupt that nobody will make.
    case deadlock
    /// The run does not end.
    case endless
    /// The code itself trapped: a failed precondition, a bad access to memory.
    case trap
    /// The same decisions did not lead to the same run: the scenario depends on something else.
    case irreproducible
  }

  /// What kind of failure it is.
  public let kind: Kind
  /// What was found, in words.
  public let message: String

  init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }
}
