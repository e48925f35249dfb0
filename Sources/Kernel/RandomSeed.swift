#if hasFeature(Embedded)
import Machine

/// What Swift calls for the seed of its hash tables and for random numbers. Good enough for
/// those, not for secrets: without RDRAND it starts from the clock.
@c(arc4random_buf)
public func randomBytes(_ buffer: UnsafeMutableRawPointer, _ byteCount: UInt) {
  var state = HardwareRandom.seed()
  for offset in 0..<Int(byteCount) {
    // SplitMix64 (Steele, Lea, Flood 2014).
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    buffer.storeBytes(
      of: UInt8(truncatingIfNeeded: word ^ word >> 31), toByteOffset: offset, as: UInt8.self)
  }
}
#endif
