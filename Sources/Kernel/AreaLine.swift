#if hasFeature(Embedded)
import Console
import Machine
import VirtualMemory

/// What a report says of the area in which an access failed. No heap.
struct AreaLine {
  private(set) var text: LogMessage = "  in an area "

  init(_ kind: AreaKind, _ permissions: PagePermissions) {
    let isAccessible = !permissions.contains(.inaccessible)
    text.append(byte: isAccessible ? UInt8(ascii: "r") : UInt8(ascii: "-"))
    append("w", isAccessible && permissions.contains(.write))
    append("x", isAccessible && permissions.contains(.execute))
    if kind.backing == .stack { text.append(", a stack") }
    if kind.backing == .guard { text.append(", below a stack") }
    if kind.name.isEmpty { return }
    text.append(": ")
    kind.name.withUTF8 { for byte in $0 { text.append(byte: byte) } }
  }

  private mutating func append(_ letter: Unicode.Scalar, _ isAllowed: Bool) {
    text.append(byte: isAllowed ? UInt8(ascii: letter) : UInt8(ascii: "-"))
  }
}
#endif
