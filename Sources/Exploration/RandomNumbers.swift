/// SplitMix64: a whole stream of numbers from each seed, the same on every machine.
struct RandomNumbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    return word ^ word >> 31
  }

  /// A number below `bound`, which is small: the bias does not matter here.
  mutating func below(_ bound: Int) -> Int { Int(next() >> 33) % bound }

  /// True with probability 2^-shift.
  mutating func once(in shift: Int) -> Bool { next() & ((1 << UInt64(shift)) - 1) == 0 }
}
