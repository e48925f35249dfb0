#if hasFeature(Embedded)
import Machine

/// Marks in the run of a program, between which `apus run --json` counts instructions.
public enum InstructionCounter {
  /// The numbers that a program may use.
  public static let numbers = InstructionMark.firstOfApplication..<InstructionMark.count

  /// Passes mark `number`: two instructions, and nothing else when nobody counts.
  @inline(__always)
  public static func mark(_ number: UInt64) {
    precondition(numbers.contains(number), "a mark is a number from 8 to 63")
    InstructionMark.pass(number)
  }
}
#endif
