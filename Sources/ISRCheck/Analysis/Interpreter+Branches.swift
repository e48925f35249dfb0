/// Conditions: whether a branch is taken, and what is learnt from it.
extension Interpreter {
  /// Whether a branch can be taken, or not taken; `nil` when both may happen.
  func outcome(of condition: Instruction.Condition, in state: MachineState) -> Bool? {
    guard let comparison = state.comparison else { return nil }
    if comparison.isTest {
      guard condition == .equal || condition == .notEqual,
        let isZero = isZero(comparison.left, and: comparison.right, comparison.bits)
      else { return nil }
      return isZero == (condition == .equal)
    }
    let left = state.named(comparison.left)
    guard case .interval(let low, let high, bits: 64) = left.kind,
      let right = state.named(comparison.right).constant
    else { return nil }
    switch condition {
    case .equal: return low == high ? low == right : right < low || right > high ? false : nil
    case .notEqual: return low == high ? low != right : right < low || right > high ? true : nil
    case .below: return high < right ? true : low >= right ? false : nil
    case .aboveOrEqual: return low >= right ? true : high < right ? false : nil
    case .belowOrEqual: return high <= right ? true : low > right ? false : nil
    case .above: return low > right ? true : high <= right ? false : nil
    case .other: return nil
    }
  }

  func isZero(_ a: AbstractValue, and b: AbstractValue, _ bits: UInt8) -> Bool? {
    let mask = AbstractValue.mask(bits)
    func known(_ value: AbstractValue) -> (zeros: UInt64, ones: UInt64) {
      if let number = value.constant { return (~number, number) }
      if case .bits(let zeros, let ones) = value.kind { return (zeros, ones) }
      return (0, 0)
    }
    let (x, y) = (known(a), known(b))
    if x.ones & y.ones & mask != 0 { return false }
    if (x.zeros | y.zeros) & mask == mask { return true }
    return nil
  }

  /// Notes what is known where a condition holds.
  func assume(_ condition: Instruction.Condition, in state: inout MachineState) {
    guard let comparison = state.comparison else { return }
    if comparison.isTest {
      guard comparison.left == comparison.right, comparison.left.origin != 0 else { return }
      if condition == .equal { state.bind(comparison.left, bits: comparison.bits, 0, 0) }
      return
    }
    guard comparison.left.origin != 0, let right = comparison.right.constant else { return }
    let all = AbstractValue.mask(comparison.bits)
    switch condition {
    case .equal: state.bind(comparison.left, bits: comparison.bits, right, right)
    case .below where right > 0:
      state.bind(comparison.left, bits: comparison.bits, 0, right - 1)
    case .belowOrEqual: state.bind(comparison.left, bits: comparison.bits, 0, right)
    case .above where right < all:
      state.bind(comparison.left, bits: comparison.bits, right + 1, all)
    case .aboveOrEqual: state.bind(comparison.left, bits: comparison.bits, right, all)
    default: break
    }
  }
}
