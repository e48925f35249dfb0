import Boot

/// Physical memory of a test: segments of bytes, with nothing readable in between.
///
/// A read that is not wholly inside of one segment gives nil.
struct FixtureMemory: PhysicalMemoryReader {
  private var segments: [(base: UInt64, bytes: [UInt8])] = []

  /// Adds bytes, or replaces those that are there.
  mutating func place(_ bytes: [UInt8], at base: UInt64) {
    for index in segments.indices {
      let segment = segments[index]
      if base >= segment.base, base - segment.base <= UInt64(segment.bytes.count),
        UInt64(segment.bytes.count) - (base - segment.base) >= UInt64(bytes.count)
      {
        let offset = Int(base - segment.base)
        segments[index].bytes.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        return
      }
    }
    segments.append((base, bytes))
  }

  /// Adds `count` zero bytes.
  mutating func clear(_ count: Int, at base: UInt64) {
    place([UInt8](repeating: 0, count: count), at: base)
  }

  /// Changes one byte of one segment.
  mutating func mutate(segment: Int, offset: Int, _ change: (inout UInt8) -> Void) {
    change(&segments[segment].bytes[offset])
  }

  /// Removes the last `count` bytes of a segment.
  mutating func truncate(segment: Int, by count: Int) {
    segments[segment].bytes.removeLast(min(count, segments[segment].bytes.count))
  }

  var segmentSizes: [Int] { segments.map(\.bytes.count) }

  func load<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, at address: UInt64
  ) -> Value? {
    for segment in segments where address >= segment.base {
      let offset = address - segment.base
      let size = UInt64(MemoryLayout<Value>.size)
      if offset <= UInt64(segment.bytes.count), UInt64(segment.bytes.count) - offset >= size {
        return segment.bytes.withUnsafeBytes {
          Value(littleEndian: $0.loadUnaligned(fromByteOffset: Int(offset), as: Value.self))
        }
      }
    }
    return nil
  }
}

extension [UInt8] {
  /// Appends a number in little-endian order.
  mutating func append<Value: FixedWidthInteger>(little value: Value) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  /// Overwrites a number in little-endian order.
  mutating func put<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
    Swift.withUnsafeBytes(of: value.littleEndian) { bytes in
      for (index, byte) in bytes.enumerated() { self[offset + index] = byte }
    }
  }

  /// Sets the byte at `offset` so that the first `count` bytes sum up to 0.
  mutating func fixChecksum(at offset: Int, count: Int? = nil) {
    self[offset] = 0
    self[offset] = 0 &- self[..<(count ?? self.count)].reduce(0, &+)
  }
}

/// A generator of pseudo-random numbers that gives the same ones on every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}
