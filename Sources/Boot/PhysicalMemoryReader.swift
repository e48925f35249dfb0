/// Read access to physical memory for the parsers of what the virtual machine monitor left there.
///
/// In the kernel it reads through the identity mapping, in tests it reads fixtures. Parsers are
/// generic over it, so that the kernel's reader is inlined into them.
public protocol PhysicalMemoryReader {
  /// The little-endian value at `address`, which need not be aligned.
  ///
  /// - Returns: nil when any byte of the value lies outside of what may be read, also when the
  ///   value would run over the end of the address space.
  func load<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, at address: UInt64
  ) -> Value?

  /// The first address in `range` at a multiple of 16 whose eight bytes, masked, are `pattern`.
  ///
  /// The search for a table's signature reads up to 128 KiB on every start, so a reader may bring
  /// a faster way than the default, which loads every candidate by itself. Unreadable candidates
  /// are passed over.
  func firstParagraph(
    matching pattern: UInt64, mask: UInt64, in range: PhysicalRange
  ) -> PhysicalAddress?
}

extension PhysicalMemoryReader {
  /// The search one load at a time; see the requirement.
  public func firstParagraph(
    matching pattern: UInt64, mask: UInt64, in range: PhysicalRange
  ) -> PhysicalAddress? {
    let (rounded, overflow) = range.start.rawValue.addingReportingOverflow(15)
    guard !overflow else { return nil }
    var address = rounded & ~15
    while address < range.end.rawValue {
      if let value = load(UInt64.self, at: address), value & mask == pattern {
        return PhysicalAddress(address)
      }
      let (next, overflow) = address.addingReportingOverflow(16)
      if overflow { return nil }
      address = next
    }
    return nil
  }

  /// The byte at `address`, or nil when it may not be read.
  public func byte(at address: UInt64) -> UInt8? {
    load(UInt8.self, at: address)
  }

  /// The sum, modulo 256, of `count` bytes from `address` on; a sound table sums up to 0.
  ///
  /// - Returns: nil when any of the bytes may not be read.
  public func checksum(of count: UInt64, at address: UInt64) -> UInt8? {
    guard !address.addingReportingOverflow(count).overflow else { return nil }
    var sum: UInt8 = 0
    var offset: UInt64 = 0
    while offset < count {
      guard let byte = byte(at: address + offset) else { return nil }
      sum &+= byte
      offset += 1
    }
    return sum
  }

  /// Whether the bytes at `address` are those of `signature`; false when one may not be read.
  public func matches(_ signature: StaticString, at address: UInt64) -> Bool {
    let count = UInt64(signature.utf8CodeUnitCount)
    guard !address.addingReportingOverflow(count).overflow else { return false }
    return signature.withUTF8Buffer { expected in
      var position = address
      for byte in expected {
        guard self.byte(at: position) == byte else { return false }
        position += 1
      }
      return true
    }
  }

  /// The number of bytes before the NUL that ends the string at `address`.
  ///
  /// - Parameter limit: the greatest number of bytes that the string may have.
  /// - Returns: nil when no NUL follows within the limit or a byte may not be read.
  public func stringLength(at address: UInt64, limit: UInt64) -> UInt64? {
    guard !address.addingReportingOverflow(limit).overflow else { return nil }
    var count: UInt64 = 0
    while count <= limit {
      guard let byte = byte(at: address + count) else { return nil }
      if byte == 0 { return count }
      count += 1
    }
    return nil
  }

  /// Hands the bytes of the NUL-terminated string at `address` to `body`, without the NUL.
  ///
  /// - Parameter limit: the greatest number of bytes that the string may have.
  /// - Returns: the number of bytes, or nil, without a call of `body`, when no NUL follows within
  ///   the limit or a byte may not be read.
  @discardableResult
  public func visitString(
    at address: UInt64, limit: UInt64, _ body: (UInt8) -> Void
  ) -> UInt64? {
    guard let count = stringLength(at: address, limit: limit) else { return nil }
    var position = address
    while position < address + count {
      guard let byte = byte(at: position) else { return nil }
      body(byte)
      position += 1
    }
    return count
  }
}
