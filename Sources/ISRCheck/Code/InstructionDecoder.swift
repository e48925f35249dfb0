/// Turns bytes into instructions.
public protocol InstructionDecoder: Sendable {
  /// The instruction at the start of `bytes`, which stand at `address`, or `nil` when they are
  /// none or not all of it. Never reads behind `bytes`; costs well below a microsecond.
  func decode(_ bytes: UnsafeRawBufferPointer, at address: UInt64) -> Instruction?

  /// The instruction as an assembler would write it, for messages; `nil` as for `decode`.
  func text(_ bytes: UnsafeRawBufferPointer, at address: UInt64) -> String?
}
