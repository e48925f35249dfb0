#if hasFeature(Embedded)
import Console
import Machine
import VirtualMemory

/// What a report says of the area in which an access failed. No heap.
struct AreaLine {
  private(set) var text: LogMessage = "  in the area "

  init(_ area: AddressSpace.Area) {
    let isAccessible = !area.permissions.contains(.inaccessible)
    text.append(line: "\(hex: area.start)...\(hex: area.end - 1) " as LogMessage)
    text.append(byte: isAccessible ? UInt8(ascii: "r") : UInt8(ascii: "-"))
    append("w", isAccessible && area.permissions.contains(.write))
    append("x", isAccessible && area.permissions.contains(.execute))
    text.append(
      area.kind.backing == .stack
        ? ", a stack" : area.kind.backing == .guard ? ", below a stack" : "")
    if area.kind.name.isEmpty { return }
    text.append(": ")
    area.kind.name.withUTF8 { for byte in $0 { text.append(byte: byte) } }
  }

  private mutating func append(_ letter: Unicode.Scalar, _ isAllowed: Bool) {
    text.append(byte: isAllowed ? UInt8(ascii: letter) : UInt8(ascii: "-"))
  }
}
#endif
