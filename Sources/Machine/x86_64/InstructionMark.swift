#if hasFeature(Embedded) && arch(x86_64)
import CMachine

/// Marks for the counting plugin: see `Sources/InstructionCounter`.
public enum InstructionMark {
  /// Passed last before `main`.
  public static let main: UInt64 = 1
  /// Passed first when the program ends.
  public static let exit: UInt64 = 2
  /// The first mark of the application's own, and how many there are.
  public static let firstOfApplication: UInt64 = 8
  /// How many marks there are.
  public static let count: UInt64 = 64

  /// Passes mark `number` (below `count`): a call and a return.
  @inline(__always)
  public static func pass(_ number: UInt64) { apus_mark(number) }
}
#endif
