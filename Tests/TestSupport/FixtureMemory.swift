import Boot

/// Physical memory of a test: segments of bytes, with nothing readable in between.
///
/// A read that is not wholly inside of one segment gives nil.
public struct FixtureMemory: PhysicalMemoryReader {
  private var segments: [(base: UInt64, bytes: [UInt8])] = []

  /// Creates a memory in which nothing is readable.
  public init() {}

  /// Adds bytes, or replaces those that are there.
  public mutating func place(_ bytes: [UInt8], at base: UInt64) {
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
  public mutating func clear(_ count: Int, at base: UInt64) {
    place([UInt8](repeating: 0, count: count), at: base)
  }

  /// Changes one byte of one segment.
  public mutating func mutate(segment: Int, offset: Int, _ change: (inout UInt8) -> Void) {
    change(&segments[segment].bytes[offset])
  }

  /// Removes the last `count` bytes of a segment.
  public mutating func truncate(segment: Int, by count: Int) {
    segments[segment].bytes.removeLast(min(count, segments[segment].bytes.count))
  }

  /// The number of bytes of each segment.
  public var segmentSizes: [Int] { segments.map(\.bytes.count) }

  /// Reads a little-endian number that lies wholly inside of one segment.
  public func load<Value: FixedWidthInteger & BitwiseCopyable>(
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

extension FixtureMemory {
  /// Searches the segments only, since the tests look through the empty memory very often.
  public func firstParagraph(
    matching pattern: UInt64, mask: UInt64, in range: PhysicalRange
  ) -> PhysicalAddress? {
    var first: PhysicalAddress?
    for segment in segments {
      let extent = PhysicalRange(start: segment.base, byteCount: UInt64(segment.bytes.count))
      let found = segment.bytes.withUnsafeBytes { bytes in
        MemoryWindow(bytes, at: segment.base)
          .firstParagraph(matching: pattern, mask: mask, in: extent.intersection(range))
      }
      if let found { first = min(first ?? found, found) }
    }
    return first
  }
}
