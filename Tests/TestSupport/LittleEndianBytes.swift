extension [UInt8] {
  /// Appends a number in little-endian order.
  public mutating func append<Value: FixedWidthInteger>(little value: Value) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  /// Overwrites a number in little-endian order.
  public mutating func put<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
    Swift.withUnsafeBytes(of: value.littleEndian) { bytes in
      for (index, byte) in bytes.enumerated() { self[offset + index] = byte }
    }
  }

  /// Sets the byte at `offset` so that the first `count` bytes sum up to 0.
  public mutating func fixChecksum(at offset: Int, count: Int? = nil) {
    self[offset] = 0
    self[offset] = 0 &- self[..<(count ?? self.count)].reduce(0, &+)
  }
}
