import Boot
import Machine

/// Lists of areas as text, one line for each.
///
///     200000000000-200000004000 rw-      16 KiB       8 KiB  heap
///     200000200000-200000210000 ---      64 KiB       0 KiB  [guard] main
///
/// Addresses, what pages may be used for (read, write, execute), size, how much of it is in memory, where
/// contents come from if not from nowhere, name.
extension AddressSpace.Area: TextOutputStreamable {
  /// Writes the line without its end. The heap is used for names of more than 15 bytes only.
  public func write(to target: inout some TextOutputStream) {
    Self.writePadded(start, width: 12, to: &target)
    target.write("-")
    Self.writePadded(end, width: 12, to: &target)
    let isAccessible = !permissions.contains(.inaccessible)
    target.write(isAccessible ? " r" : " -")
    target.write(isAccessible && permissions.contains(.write) ? "w" : "-")
    target.write(isAccessible && permissions.contains(.execute) ? "x" : "-")
    Self.writeKiB(byteCount, to: &target)
    Self.writeKiB(residentByteCount, to: &target)
    target.write(" ")
    if let text = Self.text(of: kind.backing) {
      target.write(" ")
      target.write(text)
    }
    if !kind.name.isEmpty {
      target.write(" ")
      kind.name.write(to: &target)
    }
  }

  private static func text(of backing: AreaKind.Backing) -> String? {
    switch backing {
    case .anonymous: nil
    case .stack: "[stack]"
    case .guard: "[guard]"
    case .device: "[device]"
    case .reserved: "[reserved]"
    case .file: "[file]"
    }
  }

  private static func writePadded(
    _ value: UInt64, width: Int, to target: inout some TextOutputStream
  ) {
    for position in (0..<Swift.max(width, 16 - value.leadingZeroBitCount / 4)).reversed() {
      let digit = UInt8(truncatingIfNeeded: value >> UInt64(position * 4) & 15)
      target.write(String(UnicodeScalar(digit < 10 ? 0x30 + digit : 0x57 + digit)))
    }
  }

  private static func writeKiB(_ byteCount: UInt64, to target: inout some TextOutputStream) {
    let value = byteCount >> 10
    var limit: UInt64 = 10
    for _ in 0..<9 {
      if value < limit { target.write(" ") }
      limit *= 10
    }
    target.write(" ")
    target.writeDecimal(value)
    target.write(" KiB")
  }
}

extension AddressSpace.Area: CustomStringConvertible {
  /// The line as a string, which takes memory from the heap.
  public var description: String {
    var text = ""
    write(to: &text)
    return text
  }
}

extension AddressSpace {
  /// Writes a line for each area, the lowest addresses first. See `forEachArea`.
  public borrowing func writeAreas(to target: inout some TextOutputStream) {
    forEachArea { area in
      area.write(to: &target)
      target.write("\n")
    }
  }
}
