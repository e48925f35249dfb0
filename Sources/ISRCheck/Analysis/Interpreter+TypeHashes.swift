/// Checks of a function's type before it is called.
extension Interpreter {
  /// The number that a check of a function's type hash adds or compares, before it is overwritten.
  ///
  /// KCFI keeps a hash of a function's type in the four bytes before it. On x86-64 the caller adds
  /// it to the negated hash that it expects; on AArch64 it loads and compares it.
  func typeCheckConstant(_ instruction: Instruction, _ state: MachineState) -> UInt64? {
    switch instruction.operation {
    case .arithmetic(.add, _, .register(let register), .memory(let memory), bits: 32, _)
    where memory.displacement == -4 && memory.index == nil:
      return whole(register, in: state).constant
    case .compare(.register, .register(let register), bits: 32):
      return whole(register, in: state).constant
    default: return nil
    }
  }

  func noteTypeCheck(
    _ instruction: Instruction, before: UInt64?, _ state: inout MachineState
  ) {
    switch instruction.operation {
    case .arithmetic(.add, _, _, .memory(let memory), _, _):
      guard let before, let base = memory.base else { return }
      state.typeCheck = .init(
        function: base, loaded: nil, hash: 0 &- UInt32(truncatingIfNeeded: before))
    case .copy(let target, .memory(let memory), bits: 32, _, _)
    where memory.displacement == -4 && memory.index == nil:
      if let base = memory.base {
        state.typeCheck = .init(function: base, loaded: target, hash: nil)
      }
    case .compare(.register(let register), _, _):
      guard let before, state.typeCheck?.loaded == register else { return }
      state.typeCheck?.hash = UInt32(truncatingIfNeeded: before)
    default:
      if let check = state.typeCheck, instruction.overwrites.holds(Int(check.function.number)) {
        state.typeCheck = nil
      }
    }
  }
}
