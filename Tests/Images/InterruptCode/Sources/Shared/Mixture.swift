public import Apus

/// Uses much that the kernel uses too, and for which an application's compiler takes vector
/// registers: copies of arrays and structures, text, numbers; and floating point in interrupts,
/// which is allowed there.
public struct Mixture: Sendable {
  var values = InlineArray<64, UInt64>(repeating: 1)
  var bytes = InlineArray<241, UInt8>(repeating: 2)
  var scale = 1.5

  public init() {}

  @inline(never)
  public mutating func turn(_ seed: Int) {
    var numbers = [UInt64](repeating: UInt64(seed), count: 100)
    for index in numbers.indices { numbers[index] &*= UInt64(index) }
    numbers.sort()
    for index in 0..<64 { values[index] &+= numbers[index] }
    var copied: [UInt8] = []
    for index in 0..<241 { copied.append(bytes[index] &+ UInt8(truncatingIfNeeded: seed)) }
    copied.withUnsafeBytes { for index in 0..<241 { bytes[index] = $0[index] } }
    scale = (scale * Double(seed) + 0.25).squareRoot()
  }

  public var sum: UInt64 {
    var sum = UInt64(scale)
    for index in 0..<64 { sum &+= values[index] }
    return sum
  }

  /// What an application does: computes, and lets each CPU compute in an interrupt.
  public static func run() {
    var mixture = Mixture()
    for seed in 1..<20 { mixture.turn(seed) }
    let kept = mixture
    let total = Atomic<UInt64>(0)
    CPUSet.online.interrupt { cpu in
      let own = kept.scale * Double(cpu.index + 1)
      total.wrappingAdd(UInt64(own) &+ kept.sum, ordering: .relaxed)
    }
    print("\(mixture.sum != 0) \(total.load(ordering: .relaxed) != 0)")
  }
}
